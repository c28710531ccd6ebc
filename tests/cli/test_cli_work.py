"""The commands that move articles, issues and deliveries, as an operator calls them."""

from __future__ import annotations

import mailbox
import sqlite3
from email import message_from_string, policy
from pathlib import Path

import pytest
from calls import Call
from publisher import Publisher

ISSUE_KEYS = [
    "id",
    "digest",
    "period",
    "state",
    "reason",
    "subject",
    "composed_at",
    "started_at",
    "finished_at",
    "editions",
    "recipients",
    "counts",
    "balanced",
    "deadline_at",
    "deadline_action",
]


@pytest.fixture
def publisher(tmp_path: Path, syndicate: Call) -> Publisher:
    publisher = Publisher(tmp_path, frequencies=("daily",)).write()
    publisher.article("a", title="The whale has left")
    publisher.article("b", title="Tide & time <3", category="port")
    assert syndicate("poll").status == 0
    for name in ("ada", "bo"):
        assert syndicate("subscribers", "add", f"{name}@example.org", "--digest", "morning", "--confirmed").status == 0
    return publisher


def test_a_source_is_polled_once_however_often_it_is_named(publisher: Publisher, syndicate: Call) -> None:
    (name,) = [source["source"] for source in syndicate("poll", "--json").document["sources"]]
    assert len(syndicate("poll", name, name, "--json").document["sources"]) == 1


def test_poll_says_what_it_saw_in_the_words_of_the_contract(publisher: Publisher, syndicate: Call) -> None:
    publisher.article("c")
    (source,) = syndicate("poll", "--json").document["sources"]
    assert {key: source[key] for key in ("source", "seen", "added", "updated", "withdrawn", "error")} == {
        "source": "stories",
        "seen": 3,
        "added": 1,
        "updated": 0,
        "withdrawn": 0,
        "error": None,
    }
    assert syndicate("poll", "nothing").status == 2


def test_a_broken_file_is_told_and_stops_nothing_else(publisher: Publisher, syndicate: Call) -> None:
    (publisher.folder / "articles" / "broken.md").write_text("---\ntitle: [\n---\n")
    publisher.article("c")
    result = syndicate("poll")
    assert result.status == 0
    assert "broken.md" in result.err
    assert syndicate("poll", "--json").document["sources"][0]["seen"] == 4


def test_feeds_without_a_poll_are_told_of(tmp_path: Path, syndicate: Call) -> None:
    Publisher(tmp_path).write().article("a", title="The ferry sails again")
    early = syndicate("feeds", "build")
    assert early.status == 0
    assert early.err == (
        "source stories was never polled, so the feeds hold no article of it: run `syndicate poll` first\n"
    )
    assert syndicate("poll").status == 0
    assert syndicate("feeds", "build").err == ""


def test_feeds_build_and_list(publisher: Publisher, syndicate: Call) -> None:
    feed, issues = syndicate("feeds", "build", "--json").document["feeds"]
    assert (issues["feed"], issues["documents"], issues["entries"]) == ("issues-morning", 3, 0)
    assert (feed["feed"], feed["documents"], feed["changed"], feed["entries"]) == ("all", 3, 3, 2)
    (feed,) = syndicate("feeds", "build", "all", "--json").document["feeds"]
    assert feed["changed"] == 0
    assert syndicate("feeds", "build", "nothing").status == 2
    assert syndicate("feeds", "build", "issues-morning").status == 0
    feed, issues = syndicate("feeds", "list", "--json").document["feeds"]
    assert feed["addresses"][0] == "https://news.courier.example/feeds/all/rss.xml"
    assert (issues["feed"], issues["title"]) == ("issues-morning", "Morning Courier")
    assert issues["addresses"][1] == "https://news.courier.example/feeds/issues-morning/atom.xml"


def test_a_preview_in_every_format(publisher: Publisher, syndicate: Call) -> None:
    page = syndicate("preview", "morning").out
    assert "<h1" in page
    assert "Tide &amp; time &lt;3" in page
    text = syndicate("preview", "morning", "--format", "text", "--subscriber", "ada@example.org").out
    assert "Tide & time <3" in text
    message = message_from_string(syndicate("preview", "morning", "--format", "eml").out, policy=policy.default)
    assert message["Subject"].startswith("Morning Courier: ")
    target = publisher.folder / "preview.html"
    assert syndicate("preview", "morning", "-o", target).status == 0
    assert target.read_text() == page
    assert syndicate("preview", "morning", "--subscriber", "nobody@example.org").status == 2
    for place in (publisher.folder / "nowhere" / "x.html", publisher.folder):
        refused = syndicate("preview", "morning", "-o", place)
        assert refused.status == 2
        assert refused.err.startswith(f"syndicate: {place} cannot be written: ")
        assert len(refused.err.splitlines()) == 1
    assert syndicate("issues", "list", "--json").document == {"issues": []}


def test_a_preview_of_nothing_new_says_so_and_keeps_to_the_topics(publisher: Publisher, syndicate: Call) -> None:
    syndicate("subscribers", "add", "cy@example.org", "--digest", "morning", "--confirmed", "--topic", "port")
    syndicate("send", "morning")
    publisher.article("c", title="Not of the port", category="news")
    syndicate("poll")
    result = syndicate("preview", "morning", "--subscriber", "cy@example.org", "--json")
    assert (result.document["new"], result.document["reason"]) == (False, "nothing is new")
    assert result.document["articles"] == ["Tide & time <3"]
    assert "cy@example.org would get no issue now: nothing is new; shown are the newest articles of their" in result.err
    other = syndicate("preview", "morning", "--subscriber", "ada@example.org", "--json")
    assert (other.document["new"], other.document["articles"], other.err) == (True, ["Not of the port"], "")


def test_a_dry_run_says_who_would_get_what_and_writes_nothing(publisher: Publisher, syndicate: Call) -> None:
    plan = syndicate("send", "morning", "--dry-run", "--json").document
    assert (plan["subscriptions"], plan["recipients"], len(plan["editions"])) == (2, 2, 1)
    assert "The whale has left" in plan["editions"][0]["articles"]
    assert syndicate("issues", "list", "--json").document == {"issues": []}
    assert not (publisher.folder / "outbox").exists()


def test_a_test_copy_goes_to_one_address_and_stands_on_no_ledger(publisher: Publisher, syndicate: Call) -> None:
    result = syndicate("send", "morning", "--test", "editor@courier.example", "--json")
    assert result.document["outcome"] == "accepted"
    (message,) = mailbox.Maildir(publisher.folder / "outbox", create=False)
    assert str(message["Subject"]).startswith("[test] ")
    assert message["To"] == "editor@courier.example"
    assert syndicate("issues", "list", "--json").document == {"issues": []}
    assert syndicate("send", "morning", "--test", "no address").status == 2
    both = syndicate("send", "morning", "--test", "editor@courier.example", "--dry-run")
    assert (both.status, both.out) == (2, "")
    assert "give one of the two" in both.err
    assert len(mailbox.Maildir(publisher.folder / "outbox", create=False)) == 1


def test_send_composes_and_delivers_and_its_json_is_the_issue(publisher: Publisher, syndicate: Call) -> None:
    issue = syndicate("send", "morning", "--json").document
    assert list(issue) == ISSUE_KEYS
    assert (issue["state"], issue["recipients"], issue["counts"]["accepted"]) == ("finished", 2, 2)
    assert issue["composed_at"].endswith("Z")
    assert len(mailbox.Maildir(publisher.folder / "outbox", create=False)) == 2
    again = syndicate("send", "morning", "--json")
    assert (again.status, again.document["state"]) == (0, "skipped")
    assert [each["id"] for each in syndicate("issues", "list", "--json").document["issues"]] == [2, 1]


def test_an_issue_is_paused_resumed_cancelled_and_each_refusal_is_clear(publisher: Publisher, syndicate: Call) -> None:
    issue = syndicate("send", "morning", "--no-wait", "--json").document
    number = str(issue["id"])
    assert (issue["state"], issue["counts"]["queued"]) == ("running", 2)
    assert syndicate("issues", "pause", number, "--json").document["state"] == "paused"
    assert syndicate("deliver", "--json").document["outcomes"] == {}
    refusal = syndicate("issues", "pause", number)
    assert refusal.status == 1
    assert "issue 1 is paused; only one that is running can become paused" in refusal.err
    assert syndicate("issues", "resume", number, "--json").document["state"] == "running"
    cancelled = syndicate("issues", "cancel", number, "--json").document
    assert (cancelled["state"], cancelled["counts"]["cancelled"], cancelled["balanced"]) == ("cancelled", 2, True)
    assert "cancelled" in syndicate("issues", "resume", number).err
    assert syndicate("issues", "show", "99").status == 2
    assert syndicate("issues", "resolve", number, "--as", "skip").status == 0
    assert syndicate("issues", "resolve", number, "--as", "maybe").status == 2


def test_what_is_to_be_sent_again_is_sent_by_deliver(publisher: Publisher, syndicate: Call) -> None:
    syndicate("send", "morning", "--no-wait")
    with sqlite3.connect(publisher.folder / "subscribers.db") as ledger:
        ledger.execute("UPDATE deliveries SET state = 'in_doubt', attempts = 1 WHERE id = 1")
    ledger.close()
    told = syndicate("issues", "resolve", "1", "--as", "resend").out
    assert "1 delivery in doubt resolved as resend" in told
    assert "`syndicate deliver 1` sends what is queued" in told
    assert syndicate("deliver", "1", "--json").document["outcomes"] == {"accepted": 2}
    assert "syndicate deliver" not in syndicate("issues", "resolve", "1", "--as", "resend").out


def test_deliver_works_through_what_is_queued(publisher: Publisher, syndicate: Call) -> None:
    syndicate("send", "morning", "--no-wait")
    result = syndicate("deliver", "1", "--json").document
    assert result["outcomes"] == {"accepted": 2}
    assert result["finished"] == [1]
    assert syndicate("deliver").out == "nothing was due\n"
    assert syndicate("deliver", "99").status == 2


def test_one_pass_of_everything(publisher: Publisher, syndicate: Call) -> None:
    document = syndicate("run", "--once", "--json").document
    assert {"sources", "feeds", "issues", "outcomes"} <= document.keys()
    assert document["issues"] == []


def test_status_tells_how_things_stand(publisher: Publisher, syndicate: Call) -> None:
    syndicate("run", "--once")
    document = syndicate("status", "--json").document
    assert document["sources"][0]["articles"] == 2
    assert document["feeds"][0]["entries"] == 2
    assert document["subscriptions"]["morning"]["confirmed"] == 2
    assert set(document["next_runs"]) == {"morning/daily"}
    assert document["alarms"] == []
    assert "all is well" in syndicate("status").out


def test_status_does_not_call_it_well_while_a_source_fails(publisher: Publisher, syndicate: Call) -> None:
    (publisher.folder / "articles").rename(publisher.folder / "elsewhere")
    assert syndicate("poll").status == 1
    said = syndicate("status").out
    assert "no alarm so far: what has an error is tried again" in said
    assert "all is well" not in said


def test_a_backup_is_restored_elsewhere(publisher: Publisher, syndicate: Call, tmp_path: Path) -> None:
    syndicate("send", "morning")
    assert syndicate("backup", tmp_path / "all.tar.gz").status == 0
    other = Publisher(tmp_path / "other", frequencies=("daily",)).write()
    assert syndicate("-c", other.config, "restore", tmp_path / "all.tar.gz").status == 0
    (issue,) = syndicate("-c", other.config, "issues", "list", "--json").document["issues"]
    assert (issue["counts"]["accepted"], issue["balanced"]) == (2, True)
    refusal = syndicate("-c", other.config, "restore", tmp_path / "all.tar.gz")
    assert refusal.status == 1
    assert len(refusal.err.strip().splitlines()) == 1
