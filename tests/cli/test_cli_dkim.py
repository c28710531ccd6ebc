"""``dkim new`` and ``show``, and every mail that leaves with signatures: issues, joint mails, confirmations, tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from calls import Call
from publisher import Publisher
from signatures import tags, verdicts

KEYS = 'keys = { s1 = "keys/s1.pem", e1 = "keys/e1.pem" }'


def publisher(tmp_path: Path, syndicate: Call, *, more: str = f"[dkim]\n{KEYS}", **changed: Any) -> Publisher:
    found = Publisher(tmp_path, more=more, **{"frequencies": ("daily",)} | changed)
    found.write()
    return found


def with_keys(tmp_path: Path, syndicate: Call, **changed: Any) -> tuple[Publisher, dict[str, str]]:
    """A publisher whose keys are made, and what it put into the DNS."""
    found = publisher(tmp_path, syndicate, **changed)
    made = [syndicate("dkim", "new", "s1", "--json"), syndicate("dkim", "new", "e1", "--type", "ed25519", "--json")]
    return found, {entry["name"]: entry["record"] for each in made for entry in each.document["keys"]}


def outbox(tmp_path: Path) -> list[bytes]:
    """What lies in the Maildir, as it went: without the line of the envelope that a Maildir puts on top."""
    files = sorted((tmp_path / "outbox" / "new").iterdir())
    messages = [path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for path in files]
    return [re.sub(rb"\A(?:(?:Return-Path|Delivered-To|X-Original-To):[^\r]*\r\n)*", b"", each) for each in messages]


def test_a_pair_of_keys_and_all_that_goes_with_it(tmp_path: Path, syndicate: Call) -> None:
    publisher(tmp_path, syndicate, more="")
    result = syndicate("dkim", "new")
    year = datetime.now(UTC).year
    assert result.status == 0
    assert (tmp_path / "keys" / f"s{year}.pem").stat().st_mode & 0o777 == 0o600
    assert f's{year}._domainkey.courier.example. IN TXT ( "v=DKIM1; k=rsa; p=' in result.out
    assert f'e{year}._domainkey.courier.example. IN TXT ( "v=DKIM1; k=ed25519; p=' in result.out
    line = f'keys = {{ s{year} = "keys/s{year}.pem", e{year} = "keys/e{year}.pem" }}'
    assert line in result.err
    again = syndicate("dkim", "new", "--json").document
    assert [key["selector"] for key in again["keys"]] == [f"s{year}b", f"e{year}b"]
    (tmp_path / "config.toml").write_text((tmp_path / "config.toml").read_text() + f"[dkim]\n{line}\n")
    shown = syndicate("dkim", "show", "--json").document
    assert [(key["type"], key["bits"], key["signs"]) for key in shown["keys"]] == [
        ("rsa", 2048, True),
        ("ed25519", 256, True),
    ]
    for key in shown["keys"]:
        assert "".join(key["strings"]) == key["record"]
        assert all(len(piece) <= 255 for piece in key["strings"])


def test_nothing_is_replaced_and_wrong_names_are_refused(tmp_path: Path, syndicate: Call) -> None:
    publisher(tmp_path, syndicate)
    assert syndicate("dkim", "new", "s1").status == 0
    before = (tmp_path / "keys" / "s1.pem").read_bytes()
    again = syndicate("dkim", "new", "s1")
    assert (again.status, again.out) == (1, "")
    assert "there already and was left as it is" in again.err
    assert (tmp_path / "keys" / "s1.pem").read_bytes() == before
    assert syndicate("dkim", "new", "s_1").status == 2
    unknown = syndicate("dkim", "show", "s3")
    assert (unknown.status, "there is no key 's3' in dkim.keys; there is: s1, e1" in unknown.err) == (2, True)


def test_without_a_domain_no_key_is_made(tmp_path: Path, syndicate: Call) -> None:
    (tmp_path / "config.toml").write_text("")
    result = syndicate("dkim", "new")
    assert (result.status, "no domain to sign for" in result.err) == (2, True)
    assert not (tmp_path / "keys").exists()


def test_show_without_keys_says_that_nothing_is_signed(tmp_path: Path, syndicate: Call) -> None:
    publisher(tmp_path, syndicate, more="")
    result = syndicate("dkim", "show")
    assert (result.status, result.out) == (0, "")
    assert "nothing is signed here" in result.err


def test_which_of_two_keys_signs(tmp_path: Path, syndicate: Call) -> None:
    publisher(tmp_path, syndicate, more='[dkim]\nkeys = { s2 = "s2.pem", s1 = "s1.pem" }')
    for name in ("s1", "s2"):
        assert syndicate("dkim", "new", name).status == 0
    shown = syndicate("dkim", "show", "--json").document["keys"]
    assert [(key["selector"], key["signs"]) for key in shown] == [("s2", True), ("s1", False)]


def test_check_names_every_key_file_that_is_wrong(tmp_path: Path, syndicate: Call) -> None:
    publisher(tmp_path, syndicate)
    assert syndicate("dkim", "new", "s1").status == 0
    (tmp_path / "keys" / "s1.pem").chmod(0o644)
    document = syndicate("check", "--json").document
    assert [error["key"] for error in document["errors"]] == ["dkim.keys.s1", "dkim.keys.e1"]
    assert "run: chmod o=" in document["errors"][0]["message"]
    assert "`syndicate dkim new e1` makes it" in document["errors"][1]["message"]


def test_without_its_keys_nothing_is_composed_or_sent(tmp_path: Path, syndicate: Call) -> None:
    paper = publisher(tmp_path, syndicate)
    paper.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", paper.readers(1), "--confirmed").status == 0
    result = syndicate("send", "morning")
    assert result.status == 1
    assert "the key of dkim.keys.s1" in result.err
    assert syndicate("issues", "list", "--json").document["issues"] == []


@pytest.mark.parametrize("command", ["run", "deliver"])
def test_what_sends_does_not_start_without_its_keys(tmp_path: Path, syndicate: Call, command: str) -> None:
    publisher(tmp_path, syndicate)
    result = syndicate(command)
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert "`syndicate dkim new s1` makes it" in result.err


def test_issue_test_mail_and_preview_are_signed_and_shown_again(tmp_path: Path, syndicate: Call) -> None:
    paper, records = with_keys(tmp_path, syndicate)
    paper.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", paper.readers(2), "--confirmed").status == 0
    assert syndicate("preview", "morning", "--format", "eml", "-o", tmp_path / "a.eml").status == 0
    assert syndicate("send", "morning", "--test", "editor@courier.example").status == 0
    assert syndicate("send", "morning").status == 0
    found = [(tmp_path / "a.eml").read_bytes(), *outbox(tmp_path)]
    assert len(found) == 4
    for each in found:
        assert verdicts(each, records) == [True, True]
        assert tags(each)["d"] == "courier.example"
    readers = syndicate("subscribers", "list", "--json").document["subscribers"]
    again = syndicate("issues", "replay", "1", "--subscriber", readers[0]["email"], "--json").document
    assert again["exact"] is True
    assert again["message"].encode() in found


def test_what_was_signed_with_other_keys_is_shown_without_signatures(tmp_path: Path, syndicate: Call) -> None:
    paper, _ = with_keys(tmp_path, syndicate)
    paper.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", paper.readers(1), "--confirmed").status == 0
    assert syndicate("send", "morning").status == 0
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace(KEYS, 'keys = { e1 = "keys/e1.pem" }'))
    (reader,) = syndicate("subscribers", "list", "--json").document["subscribers"]
    again = syndicate("issues", "replay", "1", "--subscriber", reader["email"], "--json").document
    assert again["exact"] is False
    assert again["doubts"] == [
        "it was signed as courier.example: s1, e1, which is not how this configuration signs: its signatures are left out"
    ]
    assert "DKIM-Signature" not in again["message"]


def test_confirmation_mails_are_signed(tmp_path: Path, syndicate: Call) -> None:
    _, records = with_keys(tmp_path, syndicate, delivery='confirm_from = "Desk <hello@courier.example>"')
    assert syndicate("subscribers", "add", "ann@reader.example", "--digest", "morning").status == 0
    assert syndicate("run", "--once").status == 0
    (mail,) = outbox(tmp_path)
    assert b"Message-ID: <confirm." in mail
    assert b"From: Desk <hello@courier.example>\r\n" in mail
    assert b"\r\nList-" not in mail
    assert verdicts(mail, records) == [True, True]
    assert abs(int(tags(mail)["t"]) - datetime.now(UTC).timestamp()) < timedelta(minutes=10).total_seconds()


@pytest.mark.parametrize("keys", ["", f"[dkim]\n{KEYS}\n"])
def test_joint_mails_are_signed_where_there_are_keys(tmp_path: Path, syndicate: Call, keys: str) -> None:
    sport = '[digest.sport]\ntitle = "Sport Courier"\nfrequencies = ["instant"]\nmerge = "subscriber"\n'
    paper, records = with_keys(
        tmp_path, syndicate, frequencies=("instant",), digest='merge = "subscriber"', more=keys + sport
    )
    paper.article("a")
    assert syndicate("poll").status == 0
    for digest in ("morning", "sport"):
        assert syndicate("subscribers", "add", "ann@reader.example", "--digest", digest, "--confirmed").status == 0
    assert syndicate("run", "--once").status == 0
    (mail,) = outbox(tmp_path)
    assert b"List-Id: The Harbour Courier <digests.courier.example>" in mail
    assert verdicts(mail, records) == ([True, True] if keys else [])
    again = syndicate("issues", "replay", "1", "--subscriber", "ann@reader.example", "--json").document
    assert (again["exact"], again["message"].encode()) == (True, mail)
