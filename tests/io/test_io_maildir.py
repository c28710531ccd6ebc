"""A true Maildir: what Python's own reader makes of it, re-sends that do not double, disks that are full."""

from __future__ import annotations

import mailbox
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from syndicate.errors import RelayError
from syndicate.io.maildir import MaildirSender
from syndicate.model import Envelope, OutcomeKind

HEADER = "Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <7.{}@courier.example>\r\nSubject: tide\r\n\r\n"


def envelope(reader: str = "ana", body: str = "Low at nine.\r\n\r\n.\r\nFrom here on.\r\n") -> Envelope:
    return Envelope(
        sender="bounces+t@courier.example",
        recipient=f"{reader}@reader.example",
        data=(HEADER.format(reader) + body).encode(),
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "outbox"


def files(outbox: Path) -> dict[str, list[str]]:
    return {folder: sorted(path.name for path in (outbox / folder).iterdir()) for folder in ("tmp", "new", "cur")}


def test_pythons_reader_opens_it(outbox: Path) -> None:
    sender = MaildirSender(outbox)
    connection = sender.connect()
    for reader in ("ana", "ben", "chloe"):
        outcome = connection.send(envelope(reader))
        assert (outcome.kind, outcome.relay) == (OutcomeKind.ACCEPTED, "maildir:outbox")
        assert connection.usable
    connection.close()
    box = mailbox.Maildir(outbox, factory=None, create=False)
    assert len(box) == 3
    for message in box:
        assert message.get_subdir() == "new"
        assert message.keys()[:2] == ["Return-Path", "Delivered-To"]
        assert message["Return-Path"] == "<bounces+t@courier.example>"
        assert message.get_payload() == "Low at nine.\n\n.\nFrom here on.\n"
    assert {message["Delivered-To"] for message in box} == {f"{n}@reader.example" for n in ("ana", "ben", "chloe")}


def test_file_is_the_message_with_local_line_ends(outbox: Path) -> None:
    MaildirSender(outbox).connect().send(envelope())
    (name,) = files(outbox)["new"]
    content = (outbox / "new" / name).read_bytes()
    assert b"\r" not in content
    parsed = BytesParser(policy=policy.default).parsebytes(content)
    assert not parsed.defects
    assert content.partition(b"\n")[2].partition(b"\n")[2].replace(b"\n", b"\r\n") == envelope().data


def test_only_its_owner_reads_it(outbox: Path) -> None:
    MaildirSender(outbox).connect().send(envelope())
    modes = {
        path.relative_to(outbox).parts[0] if path != outbox else "": path.stat().st_mode & 0o777
        for path in [outbox, *outbox.iterdir()]
    }
    assert modes == {"": 0o700, "tmp": 0o700, "new": 0o700, "cur": 0o700}
    assert [path.stat().st_mode & 0o777 for path in (outbox / "new").iterdir()] == [0o600]


def stay(outbox: Path, name: str) -> None:
    """The message lies where it was filed."""


def read(outbox: Path, name: str) -> None:
    (outbox / "new" / name).rename(outbox / "cur" / f"{name}:2,S")


@pytest.mark.parametrize("meanwhile", [stay, read])
@pytest.mark.parametrize("connected", ["before", "after"])
def test_a_message_sent_again_is_not_doubled(
    outbox: Path, meanwhile: Callable[[Path, str], None], connected: str
) -> None:
    MaildirSender(outbox).connect().send(envelope())
    (name,) = files(outbox)["new"]
    if connected == "after":
        meanwhile(outbox, name)
    again = MaildirSender(outbox).connect()
    if connected == "before":
        meanwhile(outbox, name)
    assert again.send(envelope()).kind is OutcomeKind.ACCEPTED
    assert again.send(envelope("ben")).kind is OutcomeKind.ACCEPTED
    found = files(outbox)
    # Counted by file: Python's reader takes one name in both folders for one message.
    assert len(found["new"]) + len(found["cur"]) == 2
    assert files(outbox)["tmp"] == []


def test_two_messages_to_one_reader_are_two(outbox: Path) -> None:
    connection = MaildirSender(outbox).connect()
    connection.send(envelope())
    other = envelope()
    connection.send(Envelope(sender=other.sender, recipient=other.recipient, data=other.data.replace(b"<7.", b"<8.")))
    assert len(files(outbox)["new"]) == 2


def test_what_is_no_address_is_rejected(outbox: Path) -> None:
    connection = MaildirSender(outbox).connect()
    outcome = connection.send(Envelope(sender="b@courier.example", recipient="ana@x\nBcc: y", data=b"x"))
    assert (outcome.kind, outcome.enhanced) == (OutcomeKind.REJECTED, "5.1.3")
    assert files(outbox)["new"] == []


def test_abandoned_files_go_after_a_day_and_a_half(outbox: Path) -> None:
    MaildirSender(outbox).connect()
    old, young = outbox / "tmp" / "old", outbox / "tmp" / "young"
    for path, hours in ((old, 37), (young, 35)):
        path.touch()
        os.utime(path, (time.time() - hours * 3600,) * 2)
    MaildirSender(outbox).connect()
    assert files(outbox)["tmp"] == ["young"]


def test_a_file_in_the_way(tmp_path: Path) -> None:
    path = tmp_path / "outbox"
    path.write_text("not a folder")
    with pytest.raises(RelayError, match=rf"outbox {path} cannot be used: .*; check delivery\.outbox"):
        MaildirSender(path).connect()


def test_folder_that_went_away(outbox: Path) -> None:
    connection = MaildirSender(outbox).connect()
    (outbox / "tmp").rmdir()
    with pytest.raises(RelayError, match="No such file or directory"):
        connection.send(envelope())


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Files of this process may not grow beyond ``size``: the write fails in the middle, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_space(outbox: Path) -> None:
    connection = MaildirSender(outbox).connect()
    with room_for(50_000):
        connection.send(envelope())
        with pytest.raises(
            RelayError, match=rf"outbox {outbox}: no space for a message of 100\d\d\d octets \(.*\); make room"
        ):
            connection.send(envelope("ben", "x" * 100_000))
    assert files(outbox)["tmp"] == []
    assert connection.send(envelope("ben", "x" * 100_000)).kind is OutcomeKind.ACCEPTED, "when there is room again"
    assert len(mailbox.Maildir(outbox, factory=None, create=False)) == 2


def test_killed_at_any_moment_leaves_whole_messages_only(outbox: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from test_io_maildir import envelope; from syndicate.io.maildir import MaildirSender\n"
        "connection = MaildirSender(Path(sys.argv[1])).connect()\n"
        "print('ready', flush=True)\n"
        "for number in range(100_000): connection.send(envelope(f'r{number}', 'x' * 50_000))\n"
    )
    for kills in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", program, outbox, Path(__file__).parent], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.05 + 0.03 * kills)
        process.kill()
        process.communicate()
    names = files(outbox)["new"]
    assert names
    assert all((outbox / "new" / name).read_bytes().endswith(b"x" * 50_000) for name in names)
    again = MaildirSender(outbox).connect()
    for number in range(len(names)):
        assert again.send(envelope(f"r{number}", "x" * 50_000)).kind is OutcomeKind.ACCEPTED
    assert len(files(outbox)["new"]) == len(names), "each was sent again, none is there twice"
