"""Control before an issue goes, as an operator does it; and what went out, byte for byte, against a real mail server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from calls import Call
from publisher import Publisher
from smtp_server import RecordingServer
from sqlalchemy import text

from syndicate.io.keys import rotate
from syndicate.pipeline.upkeep import prune
from syndicate.service import passes

READER = "reader0@example.org"
A, B, C = (f"https://courier.example/{key}" for key in "abc")


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def publisher(tmp_path: Path, database_url: str, server: RecordingServer) -> Iterator[Publisher]:
    publisher = Publisher(tmp_path, database=database_url, transport="smtp", frequencies=("daily",))
    publisher.digest = 'approval = "hold"\napproval_deadline = "4h"\n'
    publisher.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\n'
    publisher.write()
    for number, key in enumerate("abc"):
        publisher.article(key, date=datetime.now(UTC) - timedelta(hours=1 + number))
    publisher.run("poll")
    publisher.run("subscribers", "import", str(publisher.readers(2)), "--confirmed")
    yield publisher
    publisher.close()


def test_an_issue_is_held_edited_tried_approved_and_shown_again(publisher: Publisher, server: RecordingServer) -> None:
    issue = publisher.json("send", "morning")
    assert (issue["state"], issue["counts"]["queued"], issue["deadline_action"]) == ("draft", 2, "lapse")
    assert "waits for `syndicate issues approve 1` until" in publisher.run("status")
    assert publisher.json("status")["running"][0]["deadline_at"] == issue["deadline_at"]
    publisher.run("deliver")
    assert server.messages == []

    shown = publisher.json("issues", "show", "1")
    assert [(each["title"], each["recipients"]) for each in shown["articles"]] == [
        ("Story a", 2),
        ("Story b", 2),
        ("Story c", 2),
    ]
    intro = publisher.folder / "intro.md"
    intro.write_text("Good morning from the *quay*.\n")
    edited = publisher.json(
        "issues",
        "edit",
        "1",
        "--pin",
        C,
        "--drop",
        A,
        "--intro-file",
        str(intro),
        "--subject",
        "By hand",
        "--by",
        "eva",
    )
    assert (edited["subject"], edited["edits"]["subject"]) == ("By hand", "By hand")
    assert "subject: By hand" in publisher.run("issues", "edit", "1", "--order", B)
    publisher.run("issues", "edit", "1", "--undo")
    described = publisher.run("issues", "show", "1")
    assert "edited by eva" in described
    assert "undone" in described
    assert "its own subject, an intro, 1 pinned, 1 dropped" in described

    preview = publisher.json("preview", "--issue", "1", "--subscriber", READER)
    assert (preview["subject"], preview["articles"], preview["issue"]) == ("By hand", ["Story c", "Story b"], 1)
    assert "Good morning from the quay." in publisher.run("preview", "--issue", "1", "--format", "text")
    assert publisher.run("preview", "--issue", "1", "--format", "eml").startswith("From: ")

    told = publisher.json("issues", "test", "1", "editor@courier.example")
    assert (told["outcome"], told["subject"]) == ("accepted", "[test] By hand")
    (copy,) = server.messages
    assert copy.recipient == "editor@courier.example"
    assert b"Subject: [test] By hand" in copy.data
    assert b"List-Id: " in copy.data
    assert publisher.json("issues", "show", "1")["counts"]["queued"] == 2

    approved = publisher.json("issues", "approve", "1", "--by", "eva")
    assert (approved["state"], approved["counts"]["queued"]) == ("running", 2)
    assert "only a draft can be edited or approved" in publisher.run("issues", "approve", "1", status=1)
    assert "only a draft can be edited or approved" in publisher.run("issues", "edit", "1", "--drop", B, status=1)
    publisher.run("deliver", "1")
    arrived = {each.recipient: each.data for each in server.messages[1:]}
    assert set(arrived) == {READER, "reader1@example.org"}

    target = publisher.folder / "sent.eml"
    for reader, data in arrived.items():
        publisher.run("issues", "replay", "1", "--subscriber", reader, "-o", str(target))
        assert target.read_bytes() == data
    replayed = publisher.json("issues", "replay", "1", "--subscriber", READER)
    assert (replayed["exact"], replayed["doubts"], replayed["state"]) == (True, [], "accepted")
    assert "Good morning from the quay." in publisher.run(
        "issues", "replay", "1", "--subscriber", READER, "--format", "text"
    )
    assert "<html" in publisher.run("issues", "replay", "1", "--subscriber", READER, "--format", "html")


def test_a_replay_is_exact_after_the_keys_and_the_addresses_changed(
    publisher: Publisher, server: RecordingServer
) -> None:
    publisher.digest = ""
    publisher.write().run("send", "morning")
    arrived = {each.recipient: each.data for each in server.messages}
    rotate(next(publisher.folder.glob("**/secret.key")))
    publisher.config.write_text(publisher.config.read_text().replace("news.courier.example", "letters.courier.example"))
    target = publisher.folder / "sent.eml"
    publisher.run("issues", "replay", "1", "--subscriber", READER, "-o", str(target))
    assert target.read_bytes() == arrived[READER]


def test_masked_a_replay_has_none_of_the_readers_links(publisher: Publisher, server: RecordingServer) -> None:
    publisher.digest = ""
    publisher.write().run("send", "morning")
    (data,) = (each.data for each in server.messages if each.recipient == READER)
    whole, masked = (
        publisher.json("issues", "replay", "1", "--subscriber", READER, *more) for more in ((), ("--mask-links",))
    )
    assert whole["message"].encode() == data
    assert masked["exact"] is False
    for token in re.findall(r"/(?:unsubscribe|preferences)/([\w.-]{12,})", whole["message"].replace("=\r\n", "")):
        assert token not in masked["message"].replace("=\r\n", "")
    assert "https://masked.invalid/" in masked["message"]


def test_a_replay_that_cannot_be_says_why(publisher: Publisher) -> None:
    publisher.run("send", "morning")
    assert "nothing of issue 1 was sent" in publisher.run("issues", "replay", "1", "--subscriber", READER, status=1)
    publisher.run("issues", "approve", "1")
    publisher.run("deliver")
    assert "is not known here" in publisher.run("issues", "replay", "1", "--subscriber", "x@example.org", status=2)
    assert "there is no issue 9" in publisher.run("issues", "replay", "9", "--subscriber", READER, status=2)
    much_later = datetime.now(UTC) + timedelta(days=4000)
    services = publisher.services(lambda: much_later)
    assert prune(services.database, services.settings, much_later).editions == 1
    with services.database.write() as session:
        pruned = session.connection().execute(text("SELECT count(*) FROM editions WHERE pruned_at IS NOT NULL"))
        assert pruned.scalar_one() == 1
    told = publisher.run("issues", "replay", "1", "--subscriber", READER, status=1)
    assert "pruned" in told


def test_bytes_that_were_pruned_before_their_rows_say_when(publisher: Publisher) -> None:
    publisher.digest = ""
    publisher.write().run("send", "morning")
    services = publisher.services(lambda: datetime.now(UTC))
    day = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
    longer = services.settings.service.model_copy(update={"keep_deliveries": timedelta(days=9000)})
    prune(services.database, services.settings.model_copy(update={"service": longer}), day)
    told = publisher.run("issues", "replay", "1", "--subscriber", READER, status=1)
    assert "were pruned on 2031-05-06 07:08 UTC (service.keep_editions)" in told
    assert "`syndicate why` still tells what was in it" in told


def test_a_deadline_is_kept_by_the_clock(publisher: Publisher, server: RecordingServer) -> None:
    publisher.run("send", "morning")
    later = datetime.now(UTC) + timedelta(hours=5)
    services = publisher.services(lambda: later)
    assert [issue.state.value for issue in passes.settle_drafts(services)] == ["skipped"]
    shown = publisher.json("issues", "show", "1")
    assert (shown["state"], shown["balanced"], shown["counts"]["cancelled"]) == ("skipped", True, 2)
    assert "lapsed" in publisher.run("status")
    second = publisher.json("send", "morning")
    assert [each["title"] for each in publisher.json("issues", "show", "2")["articles"]] == [
        "Story a",
        "Story b",
        "Story c",
    ]
    assert second["state"] == "draft"
    assert server.messages == []


def test_a_cancelled_draft_comes_with_the_next(publisher: Publisher, server: RecordingServer) -> None:
    publisher.run("send", "morning")
    assert publisher.json("issues", "cancel", "1")["state"] == "cancelled"
    publisher.run("send", "morning")
    publisher.run("issues", "approve", "2")
    publisher.run("deliver")
    assert sorted(each.recipient for each in server.messages) == [READER, "reader1@example.org"]
    assert all(b"Story c" in each.data for each in server.messages)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("issues", "edit", "1"), "nothing to change"),
        (("issues", "edit", "1", "--undo", "--drop", A), "--undo takes the last change back and goes with no other"),
        (("issues", "edit", "1", "--intro", "a", "--intro-file", "b"), "give --intro or --intro-file, not both"),
        (("issues", "edit", "1", "--intro-file", "none.md"), "none.md: No such file or directory"),
        (("issues", "edit", "1", "--drop", "https://courier.example/zzz"), "issue 1 has no article"),
        (("issues", "edit", "1", "--undo"), "there is nothing to undo"),
        (("issues", "edit", "9", "--drop", A), "there is no issue 9"),
        (("preview",), "give the name of a digest, or --issue"),
        (("preview", "morning", "--issue", "1"), "give the name of a digest, or --issue"),
    ],
)
def test_calls_that_make_no_sense_are_told_in_one_line(
    syndicate: Call, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    publisher = Publisher(tmp_path, frequencies=("daily",), digest='approval = "hold"').write()
    publisher.article("a")
    publisher.run("poll")
    publisher.run("subscribers", "import", str(publisher.readers(1)), "--confirmed")
    publisher.run("send", "morning")
    result = syndicate(*arguments)
    assert result.status == 2
    assert told in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_approval_is_refused_while_the_pre_flight_has_errors(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, frequencies=("daily",), digest='approval = "hold"\ntemplate = "bare"').write()
    folder = tmp_path / "templates" / "digest"
    folder.mkdir(parents=True)
    (folder / "bare.html").write_text("<html lang='en'><body><h1>Courier</h1>{{ articles[0].title }}</body></html>")
    (folder / "bare.txt").write_text("{{ articles[0].title }}\n{{ unsubscribe_url }}\n")
    publisher.article("a")
    publisher.run("poll")
    publisher.run("subscribers", "import", str(publisher.readers(1)), "--confirmed")
    assert publisher.json("send", "morning")["state"] == "draft"
    told = publisher.run("issues", "approve", "1", status=1)
    assert "unsubscribe" in told
    assert publisher.json("issues", "show", "1")["state"] == "draft"
    found = json.loads(publisher.run("preview", "--issue", "1", "--json"))["preflight"]
    assert "unsubscribe-missing" in {each["code"] for each in found}
