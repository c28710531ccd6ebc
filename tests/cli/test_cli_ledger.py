"""What an operator learns of deliveries that were not accepted, of what waits, and of confirmation mails."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import Call
from publisher import Publisher
from smtp_server import RecordingServer

REPLIES = {
    "reader0@example.org": "550 5.1.1 <reader0@example.org>: no such user",
    "reader1@example.org": "550 5.1.1 <reader1@example.org>: no such user",
    "reader2@example.org": "450 4.2.0 greylisted",
}


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(replies=REPLIES) as server:
        yield server


@pytest.fixture
def publisher(tmp_path: Path, syndicate: Call, server: RecordingServer) -> Publisher:
    publisher = Publisher(tmp_path, transport="smtp", frequencies=("daily",))
    publisher.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\n'
    publisher.write()
    publisher.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", publisher.readers(4), "--confirmed").status == 0
    return publisher


@pytest.mark.usefixtures("publisher")
def test_the_reasons_of_an_issue_are_grouped_and_name_nobody(syndicate: Call) -> None:
    assert syndicate("send", "morning").status == 0
    document = syndicate("issues", "show", "1", "--json").document
    assert document["reasons"] == [
        {"state": "deferred", "reason": None, "code": 450, "reply": "4.2.0 greylisted", "count": 1},
        {"state": "rejected", "reason": "hard", "code": 550, "reply": "5.1.1 <…>: no such user", "count": 2},
    ]
    shown = syndicate("issues", "show", "1").out
    assert "hard: 550 5.1.1 <…>: no such user" in shown
    assert "450 4.2.0 greylisted" in shown


@pytest.mark.usefixtures("publisher")
def test_a_reader_shows_each_delivery_with_its_reason_and_next_try(syndicate: Call) -> None:
    syndicate("send", "morning")
    (refused,) = syndicate("subscribers", "show", "reader0@example.org", "--json").document["deliveries"]
    assert (refused["state"], refused["reason"], refused["code"]) == ("rejected", "hard", 550)
    assert "no such user" in refused["reply"]
    assert refused["finished_at"] is not None
    assert refused["next_try_at"] is None
    (deferred,) = syndicate("subscribers", "show", "reader2@example.org", "--json").document["deliveries"]
    assert (deferred["state"], deferred["attempts"], deferred["reply"]) == ("deferred", 1, "4.2.0 greylisted")
    assert deferred["next_try_at"] is not None
    shown = syndicate("subscribers", "show", "reader0@example.org").out
    assert "hard: 550 5.1.1 <reader0@example.org>: no such user" in shown


@pytest.mark.usefixtures("publisher")
def test_deliver_says_what_still_waits_and_how_a_paused_issue_goes_on(syndicate: Call) -> None:
    syndicate("send", "morning", "--no-wait")
    syndicate("issues", "pause", "1")
    for arguments in (("deliver", "1"), ("deliver",)):
        said = syndicate(*arguments).out
        assert "issue 1 is paused: 4 deliveries wait; `syndicate issues resume 1` lets it go on" in said
    (waiting,) = syndicate("deliver", "1", "--json").document["waiting"]
    assert (waiting["issue"], waiting["state"], waiting["queued"]) == (1, "paused", 4)
    syndicate("issues", "resume", "1")
    said = syndicate("deliver", "1").out
    assert "1 accepted" in said
    assert "issue 1 is running: 1 delivery waits, next at " in said
    syndicate("issues", "cancel", "1")
    assert "issue 1 is cancelled: nothing of it waits" in syndicate("deliver", "1").out


@pytest.mark.usefixtures("publisher")
def test_confirmation_mails_are_sent_by_deliver_and_told(syndicate: Call, server: RecordingServer) -> None:
    syndicate("subscribers", "add", "new@example.org", "--digest", "morning")
    assert syndicate("deliver", "--json").document["confirmations"] == {"accepted": 1}
    assert len(server.sent_to("new@example.org")) == 1
    syndicate("subscribers", "add", "newer@example.org", "--digest", "morning")
    assert syndicate("run", "--once", "--json").document["confirmations"] == {"accepted": 1}
    syndicate("subscribers", "add", "newest@example.org", "--digest", "morning")
    assert syndicate("deliver").out == "confirmation mails: 1 accepted\n"
    assert syndicate("deliver").out == "nothing was due\n"


def test_a_relay_that_is_down_is_told_once_by_deliver(publisher: Publisher, syndicate: Call) -> None:
    syndicate("send", "morning", "--no-wait")
    syndicate("subscribers", "add", "new@example.org", "--digest", "morning")
    publisher.more = '[[smtp]]\nhost = "127.0.0.1"\nport = 1\ntls_type = "none"\n'
    publisher.write()
    result = syndicate("deliver")
    assert result.status == 1
    assert len(result.err.strip().splitlines()) == 1, result.err


def test_status_tells_readers_of_what_is_no_longer_offered(publisher: Publisher, syndicate: Call) -> None:
    publisher.frequencies = ("weekly",)
    publisher.write()
    result = syndicate("status")
    assert result.status == 0
    assert "note: 4 readers of digest morning get nothing: no longer offered 'daily'" in result.out
    assert syndicate("status", "--json").document["unserved"] == [
        {"digest": "morning", "frequency": "daily", "subscriptions": 4}
    ]


def test_what_was_rejected_is_tried_again_when_the_operator_says_so(
    publisher: Publisher, server: RecordingServer, syndicate: Call
) -> None:
    server.replies = {
        "reader0@example.org": "550 5.1.1 no such user",
        "reader1@example.org": "554 5.7.1 rejected as spam",
    }
    syndicate("send", "morning")
    assert syndicate("issues", "retry", "1", "--class", "soft").out.startswith("0 rejected deliveries are queued again")
    server.replies = {}
    result = syndicate("issues", "retry", "1")
    assert result.status == 0
    assert result.out.startswith("1 rejected delivery is queued again\n")
    assert "`syndicate deliver 1` sends what is queued" in result.out
    assert syndicate("deliver", "--json").document["outcomes"] == {"accepted": 1}
    document = syndicate("issues", "retry", "1", "--class", "block", "--json").document
    assert (document["retried"], document["state"], document["counts"]["accepted"]) == (0, "finished", 3)
    (told,) = syndicate("why", "reader1@example.org", "--json").document["issues"]
    assert [each["event"] for each in told["history"]] == ["queued", "rejected", "retried", "accepted"]


@pytest.mark.usefixtures("publisher")
def test_a_running_issue_shows_its_pace(syndicate: Call) -> None:
    syndicate("send", "morning")  # one is deferred: it runs on
    document = syndicate("issues", "show", "1", "--json").document
    assert (document["state"], document["balanced"], document["rate"]["waiting"]) == ("running", True, 0)
    assert document["rate"]["accepted_per_minute"] > 0
    shown = syndicate("issues", "show", "1").out
    assert "4 = 1 deferred + 1 accepted + 2 rejected" in shown
    assert "accepted lately" in shown
    syndicate("issues", "pause", "1")
    assert syndicate("issues", "show", "1", "--json").document["rate"] is None


@pytest.mark.usefixtures("publisher")
def test_an_issue_is_watched_until_it_is_over_or_paused(
    syndicate: Call, process: Call, server: RecordingServer
) -> None:
    server.replies = {}
    syndicate("send", "morning", "--no-wait")
    sending = threading.Timer(1.5, lambda: process("deliver"))
    sending.start()
    result = syndicate("issues", "show", "1", "--watch", "--json")
    sending.join()
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert result.status == 0
    assert (lines[0]["state"], lines[0]["counts"]["queued"]) == ("running", 4)
    assert "reasons" not in lines[0]
    assert (lines[-1]["state"], lines[-1]["counts"]["accepted"], lines[-1]["reasons"]) == ("finished", 4, [])
    # What is over, or waits for an operator, is shown and not waited for.
    (line,) = syndicate("issues", "show", "1", "--watch", "--json").out.splitlines()
    assert json.loads(line)["state"] == "finished"
    syndicate("send", "morning", "--no-wait")
    assert syndicate("issues", "show", "99", "--watch").status == 2


@pytest.mark.usefixtures("publisher")
def test_watching_a_paused_issue_ends_at_once_and_ctrl_c_stops_nothing(publisher: Publisher, syndicate: Call) -> None:
    syndicate("send", "morning", "--no-wait")
    watching = publisher.start("issues", "show", "1", "--watch")
    assert watching.stdout is not None
    assert watching.stdout.readline().startswith("issue 1, morning manual/")
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (0, "")
    assert "state" in out
    assert "4 = 4 queued" in out
    syndicate("issues", "pause", "1")
    shown = syndicate("issues", "show", "1", "--watch").out
    assert "paused" in shown


def test_status_and_why_show_a_confirmation_that_waits_and_who_sends(
    publisher: Publisher, syndicate: Call, server: RecordingServer
) -> None:
    server.replies = {"new@example.org": "450 4.2.0 later, please"}
    syndicate("subscribers", "add", "new@example.org", "--digest", "morning")
    syndicate("deliver")
    document = syndicate("status", "--json").document
    assert {**document["confirmations"], "next_at": None} == {"queued": 0, "deferred": 1, "sending": 0, "next_at": None}
    assert document["confirmations"]["next_at"] is not None
    assert (document["senders"], document["workers"]) == ([], [])
    assert "confirmation mails: 0 queued, 1 deferred, 0 being sent, next at " in syndicate("status").out
    (subscription,) = syndicate("why", "new@example.org", "--json").document["subscriptions"]
    assert (subscription["confirmation"]["state"], subscription["confirmation"]["attempts"]) == ("deferred", 1)
    assert (
        "confirmation mail: deferred after 1 attempt (4.2.0 later, please); next try "
        in syndicate("why", "new@example.org").out
    )
    syndicate("send", "morning", "--no-wait")
    server.delay = 1.0
    sending = publisher.start("deliver")
    shown = ""
    for _ in range(60):
        shown = syndicate("status").out
        if "last sign of life" in shown:
            break
    sending.communicate(timeout=60)
    assert "on the wire" in shown
    assert f"process {sending.pid}" in shown
