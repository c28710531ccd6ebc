"""``bounces`` and ``suppressions``: what came back is told, applied, and undone."""

from __future__ import annotations

import email
import json
import os
import re
from email import policy
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import pytest
from calls import Call, Result
from publisher import Publisher

FOLDER = Path(__file__).parents[1] / "data" / "bounces"


def lines(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.out.splitlines()]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_classify_prints_one_object_a_line(syndicate: Call, flags: list[str]) -> None:
    files = [FOLDER / "postfix-unknown.eml", FOLDER / "human-reply.eml", FOLDER / "arf-abuse.eml"]
    result = syndicate("bounces", "classify", *flags, *files)
    assert (result.status, result.err) == (0, "")
    first, second, third = lines(result)
    assert first["file"] == str(files[0])
    (one,) = first["results"]
    assert (one["recipient"], one["cls"], one["status"], one["code"]) == ("ann@reader.example", "hard", "5.1.1", 550)
    assert second == {"file": str(files[1]), "results": []}
    assert third["results"][0]["cls"] == "complaint"


def test_paths_come_from_standard_input_too_and_need_no_configuration(process: Call) -> None:
    files = [FOLDER / "qmail-quota.eml", FOLDER / "auto-rfc3834.eml"]
    result = process("bounces", "classify", stdin="".join(f"{path}\n" for path in files))
    assert result.status == 0
    assert [line["results"][0]["cls"] for line in lines(result)] == ["soft", "autoreply"]


def test_a_mail_that_asks_to_leave_says_so(syndicate: Call) -> None:
    (line,) = lines(syndicate("bounces", "classify", FOLDER / "mailto-unsubscribe.eml"))
    assert line["unsubscribe"] is True
    assert line["results"] == []


def test_what_cannot_be_read_stops_nothing_and_is_told(syndicate: Call, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    result = syndicate(
        "bounces", "classify", tmp_path / "none.eml", tmp_path, tmp_path / "pipe", FOLDER / "exim-unknown.eml"
    )
    assert result.status == 1
    *broken, good = lines(result)
    assert [line["results"] for line in broken] == [[], [], []]
    assert all(line["error"] for line in broken)
    assert "none.eml: it cannot be read" in result.err
    assert good["results"][0]["cls"] == "hard"


UNKNOWN = """\
From: MAILER-DAEMON@mx.example.org
To: {to}
Subject: Undelivered Mail Returned to Sender

<{reader}>: host mx.example.org said: 550 5.1.1 user unknown
"""


@pytest.fixture
def publisher(tmp_path: Path, syndicate: Call) -> Publisher:
    """One issue went out to three readers."""
    publisher = Publisher(tmp_path, frequencies=("daily",))
    publisher.write()
    publisher.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", publisher.readers(3), "--confirmed").status == 0
    assert syndicate("send", "morning").status == 0
    return publisher


def outbox(tmp_path: Path) -> dict[str, tuple[str, str]]:
    """For each reader the envelope sender and the mail address that ends her subscription."""
    found = {}
    for path in (tmp_path / "outbox" / "new").iterdir():
        message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
        leave = re.search(r"<mailto:([^?>]+)\?", message["List-Unsubscribe"])
        assert leave
        found[parseaddr(str(message["To"]))[1]] = (message["Return-Path"].strip("<>"), leave[1])
    return found


def maildir(tmp_path: Path, messages: dict[str, str]) -> Path:
    folder = tmp_path / "returned"
    (folder / "new").mkdir(parents=True)
    for name, text in messages.items():
        (folder / "new" / name).write_text(text)
    return folder


@pytest.mark.usefixtures("publisher")
def test_a_maildir_is_applied_and_only_ours_goes(syndicate: Call, tmp_path: Path) -> None:
    first, second, third = sorted(outbox(tmp_path).items())
    wish = f"From: {second[0]}\nTo: {second[1][1]}\nSubject: unsubscribe\n\n"
    foreign = f"From: friend@example.net\nTo: bounces@courier.example\nSubject: hello {third[0]}\n\nHello!\n"
    folder = maildir(
        tmp_path, {"1": UNKNOWN.format(to=first[1][0], reader=first[0]), "2": wish, "3": foreign, "4": wish}
    )
    (folder / "new" / "5").mkdir()
    result = syndicate("bounces", "--maildir", folder, "--json")
    assert result.status == 1  # one could not be read, and it says so
    assert "5: it cannot be read" in result.err
    told = result.document
    assert (told["read"], told["applied"], told["unsubscribe"], told["foreign"]) == (4, 1, 2, 1)
    assert (told["suppressed"], told["unsubscribed"], told["classes"]["hard"]) == (1, 1, 1)
    assert [path.name for path in (folder / "cur").iterdir()] == ["3:2,"]
    assert [path.name for path in (folder / "new").iterdir()] == ["5"]
    (listed,) = syndicate("suppressions", "list", "--json").document["suppressions"]
    assert (listed["reason"], listed["note"]) == ("hard", "dead address, 1 issue")
    assert first[0] not in json.dumps(listed)
    shown = syndicate("subscribers", "show", second[0], "--json").document
    assert shown["subscriptions"][0]["state"] == "unsubscribed"
    assert syndicate("subscribers", "show", third[0], "--json").document["suppression"] is None


@pytest.mark.usefixtures("publisher")
def test_one_message_from_a_pipe_and_the_way_back(syndicate: Call, process: Call, tmp_path: Path) -> None:
    reader, (sender, _) = min(outbox(tmp_path).items())
    result = process("bounces", "--stdin", stdin=UNKNOWN.format(to=sender, reader=reader))
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines() == [
        "1 message read, 1 applied: 1 hard",
        "1 newly suppressed, no subscriptions ended",
    ]
    assert syndicate("suppressions", "remove", reader).out.startswith(f"{reader}: may be written to again; 1 returned")
    assert syndicate("suppressions", "remove", reader).status == 1
    again = process("bounces", "--stdin", stdin=UNKNOWN.format(to=sender, reader=reader))
    assert "1 were applied before" in again.out
    assert syndicate("suppressions", "list").out == "nobody is suppressed\n"


@pytest.mark.usefixtures("publisher")
def test_domains_and_addresses_are_suppressed_by_hand(syndicate: Call) -> None:
    assert syndicate("suppressions", "add", "Spam.Example", "--note", "a trap").status == 0
    assert syndicate("suppressions", "add", "reader0@example.org").status == 0
    assert "already" in syndicate("suppressions", "add", "reader0@example.org").out
    listed = syndicate("suppressions", "list", "--json").document["suppressions"]
    assert [(one["scope"], one["note"]) for one in listed] == [("address", ""), ("domain", "a trap")]
    assert listed[1]["value"] == "spam.example"
    assert syndicate("suppressions", "add", "no domain").status == 2


@pytest.mark.usefixtures("publisher")
def test_wrong_calls_are_told(syndicate: Call, tmp_path: Path) -> None:
    assert syndicate("bounces").status == 2
    assert syndicate("bounces", "--stdin", "--maildir", tmp_path).status == 2
    result = syndicate("bounces", "--maildir", tmp_path / "none")
    assert (result.status, "it is no Maildir" in result.err) == (1, True)
