"""Messages over a well-behaved server: their bytes arrive exactly, one recipient each, many on one connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smtp_server import RecordingServer

from syndicate.io.smtp import SmtpSender
from syndicate.io.smtp_connection import SmtpConnection
from syndicate.model import Envelope, OutcomeKind

SENDER = "bounces+t0ken@courier.example"

# Lines of what a message may hold, dots where they hurt most.
LINES = st.lists(
    st.one_of(st.sampled_from([b"", b".", b"..", b". x", b"x.", b"From here", b"QUIT"]), st.binary(max_size=60))
    .map(lambda line: line.replace(b"\r", b"").replace(b"\n", b""))
    .map(lambda line: bytes(byte & 0x7F or 0x20 for byte in line).replace(b"\r", b"").replace(b"\n", b"")),
    max_size=30,
)


@pytest.fixture(scope="module")
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as running:
        yield running


@pytest.fixture(scope="module")
def connection(server: RecordingServer) -> Iterator[SmtpConnection]:
    opened = SmtpSender([server.relay(messages_per_connection=100_000)], "mail.courier.example").connect()
    yield opened
    opened.close()


@given(lines=LINES)
@settings(max_examples=200)
def test_every_byte_arrives_as_it_was(server: RecordingServer, connection: SmtpConnection, lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in [b"Subject: dots", b"", *lines])
    before = len(server.messages)
    outcome = connection.send(Envelope(sender=SENDER, recipient="ana@reader.example", data=data))
    assert outcome.kind is OutcomeKind.ACCEPTED
    (message,) = server.messages[before:]
    assert message.data == data
    assert (message.sender, message.recipients) == (SENDER, ("ana@reader.example",))
    assert f"SIZE={len(data)}" in message.options


@given(data=st.binary(max_size=200).map(lambda data: bytes(byte & 0x7F for byte in data)))
@settings(max_examples=100)
def test_bare_line_ends_are_made_whole(server: RecordingServer, connection: SmtpConnection, data: bytes) -> None:
    before = len(server.messages)
    connection.send(Envelope(sender=SENDER, recipient="ana@reader.example", data=data))
    (message,) = server.messages[before:]
    arrived = message.data.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in arrived)
    assert [line for line in arrived if line] == [line for line in data.replace(b"\r", b"\n").split(b"\n") if line]


def test_answers_differ_by_recipient() -> None:
    replies = {"gone@reader.example": "550 5.1.1 no such user", "later@reader.example": "450 4.2.0 greylisted"}
    with RecordingServer(replies=replies) as server:
        connection = SmtpSender([server.relay(name="main")], "mail.courier.example").connect()
        outcomes = {
            name: connection.send(
                Envelope(sender=SENDER, recipient=f"{name}@reader.example", data=b"Subject: x\r\n\r\n")
            )
            for name in ("ana", "gone", "later", "ben")
        }
        connection.close()
    assert {name: outcome.kind.value for name, outcome in outcomes.items()} == {
        "ana": "accepted",
        "gone": "rejected",
        "later": "deferred",
        "ben": "accepted",
    }
    gone = outcomes["gone"]
    assert (gone.code, gone.enhanced, gone.text, gone.relay) == (550, "5.1.1", "5.1.1 no such user", "main")
    assert [message.recipient for message in server.messages] == ["ana@reader.example", "ben@reader.example"]
    assert server.connections == 1


def test_eight_bit_text_is_announced() -> None:
    with RecordingServer() as server:
        connection = SmtpSender([server.relay()], "mail.courier.example").connect()
        connection.send(Envelope(sender=SENDER, recipient="ana@reader.example", data="Naïve\r\n".encode()))
        connection.close()
    assert "BODY=8BITMIME" in server.messages[0].options


def test_label_and_number_of_connections() -> None:
    with RecordingServer() as server:
        sender = SmtpSender([server.relay(name="main", max_conns=7)])
    assert (sender.label, sender.connections) == ("main", 7)


def test_throughput_for_information(capsys: pytest.CaptureFixture[str]) -> None:
    count, data = 300, b"Subject: tide\r\n\r\n" + b"Low at nine, high at three.\r\n" * 420
    with RecordingServer(keep_data=False) as server:
        connection = SmtpSender([server.relay()], "mail.courier.example").connect()
        started = time.perf_counter()
        for number in range(count):
            outcome = connection.send(Envelope(sender=SENDER, recipient=f"r{number}@reader.example", data=data))
            assert outcome.kind is OutcomeKind.ACCEPTED
        seconds = time.perf_counter() - started
        connection.close()
    assert server.accepted == count
    with capsys.disabled():
        print(f" [plain dialogue, one connection, aiosmtpd: {count / seconds:.0f} messages/s of 12 KB]", end="")  # noqa: T201
