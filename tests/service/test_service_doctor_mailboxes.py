"""``doctor`` and where what comes back arrives: a real Dovecot, a Maildir, nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from dovecot import PASSWORD, USER, require_dovecot, running_dovecot
from publisher import Publisher

from syndicate.config.load import load_settings
from syndicate.core.doctor.finding import Finding, Verdict
from syndicate.service.doctor import examination


def looked(folder: Path, more: str) -> list[Finding]:
    Publisher(folder, more=more).write()
    config = folder / "config.toml"
    return examination(
        load_settings(config, {}), config=config, config_problems=[], template_problems=list, only=["mailbox"]
    )


def mailbox(**keys: object) -> str:
    lines = [f"{key} = {str(value) if isinstance(value, int) else repr(str(value))}" for key, value in keys.items()]
    return "\n".join(["[mailbox.returns]", *lines])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_mailbox(tmp_path: Path) -> None:
    require_dovecot()
    with running_dovecot() as dovecot:
        dovecot.put("a", b"Subject: x\n\ny\n")
        keys = {"host": "127.0.0.1", "port": dovecot.tls_port, "tls_ca_file": dovecot.authority, "username": USER}
        (good,) = looked(tmp_path, mailbox(**keys, password=PASSWORD))
        (wrong,) = looked(tmp_path, mailbox(**keys, password="harbour-shut-2"))
        (nowhere,) = looked(tmp_path, mailbox(**keys, password=PASSWORD, folder="Nowhere"))
        assert len(dovecot.left()) == 1
    assert (good.code, good.verdict, good.message) == ("mailbox.open", Verdict.GOOD, "logged in, INBOX holds 1 message")
    assert (wrong.code, wrong.verdict) == ("mailbox.failed", Verdict.ERROR)
    assert "said no" in wrong.message
    assert "check username, password" in wrong.todo
    assert "harbour-shut-2" not in wrong.message
    assert nowhere.verdict is Verdict.ERROR


def test_nobody_answers(tmp_path: Path) -> None:
    (finding,) = looked(tmp_path, mailbox(host="127.0.0.1", port=9, username="b", password="c"))
    assert (finding.code, finding.verdict) == ("mailbox.failed", Verdict.ERROR)
    assert "Connection refused" in finding.message


def test_a_maildir(tmp_path: Path) -> None:
    more = "maildir = 'returned'"
    assert [each.code for each in looked(tmp_path, more)] == ["mailbox.no_maildir"]
    for name in ("new", "cur", "tmp"):
        (tmp_path / "returned" / name).mkdir(parents=True)
    assert [each.code for each in looked(tmp_path, more)] == ["mailbox.maildir"]


def test_nobody_reads_what_comes_back(tmp_path: Path) -> None:
    assert looked(tmp_path, "") == []  # mail stays in a folder here
    assert [each.code for each in looked(tmp_path, "[[smtp]]\nhost = 'relay.example'")] == ["mailbox.none"]
