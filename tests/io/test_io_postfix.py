"""Genuine delivery reports: a real Postfix fails, and what it writes about it is understood."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime

import pytest
from postfix import ScriptedServer, require_postfix, running_postfix
from smtp_server import HOST

from syndicate.core.bounces.reading import read_report
from syndicate.core.bounces.report import Action, ReturnClass
from syndicate.core.bounces.tokens import delivery_of
from syndicate.core.links import Purpose, sign_for_mail, tagged_address
from syndicate.model import Keyring, SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KEYS = Keyring(keys=(SigningKey(id="k1", secret=b"1" * 32),), hash_key=b"h" * 32)
HARD, SOFT, BLOCK = ReturnClass.HARD, ReturnClass.SOFT, ReturnClass.BLOCK

# Case = local part of the reader: where she is refused, with which words, and what that is.
SCRIPT: dict[str, tuple[str, str, ReturnClass]] = {
    "unknown": ("RCPT", "550 5.1.1 <unknown@reader.example>: Recipient address rejected: User unknown", HARD),
    "unknown-bare": ("RCPT", "550 No such user here", HARD),
    "unknown-policy-code": ("RCPT", "554 5.7.1 no such user", HARD),
    "unknown-german": ("RCPT", "550 5.0.0 Empfaenger unbekannt", HARD),
    "unknown-late": ("DATA", "550 5.1.1 mailbox not found", HARD),
    "disabled": ("RCPT", "550 5.2.1 The email account that you tried to reach is disabled", HARD),
    "directory": ("RCPT", "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", HARD),
    "full": ("DATA", "552 5.2.2 Mailbox full", SOFT),
    "full-bare": ("RCPT", "550 mailbox is full", SOFT),
    "full-for-now": ("RCPT", "452 4.2.2 The recipient's inbox is over quota", SOFT),
    "hurried": ("RCPT", "450 4.2.1 The user is receiving mail too quickly", SOFT),
    "spam": ("DATA", "554 5.7.1 Message rejected as spam by our policy", BLOCK),
    "spam-bare": ("DATA", "550 This message looks like spam", BLOCK),
    "blocklist": ("RCPT", "554 5.7.1 Service unavailable; Client host [192.0.2.10] blocked using zen.dnsbl.example", BLOCK),
    "dmarc": ("DATA", "550 5.7.26 Unauthenticated email is not accepted due to the domain's DMARC policy", BLOCK),
    "bulk-rules": ("DATA", "550 5.7.515 Access denied, sending domain does not meet the required authentication", BLOCK),
    "ptr": ("RCPT", "550 5.7.25 The IP address sending this message does not have a PTR record", BLOCK),
    "relay": ("RCPT", "554 5.7.1 <relay@reader.example>: Relay access denied", BLOCK),
    "greylisted": ("RCPT", "450 4.7.1 Greylisted, please come back later", BLOCK),
    "form": ("DATA", "554 5.6.0 The message's header is malformed", BLOCK),
    "sender": ("MAIL", "553 5.1.8 Sender address rejected: Domain not found", BLOCK),
    "sender-unknown": ("MAIL", "550 5.1.0 unknown user", BLOCK),
    "spam.policy": ("RCPT", "550 5.1.1 <spam.policy@reader.example> user unknown", HARD),
}  # fmt: skip
# What Postfix finds out by itself: case, the reader's address, class.
BY_ITSELF: dict[str, tuple[str, ReturnClass]] = {
    "too-big": ("ann@small.example", SOFT),
    "refused": ("ann@refused.example", SOFT),
    "no-host": ("ann@nowhere.example", HARD),
    "alias": ("nobody@alias.example", HARD),
    "local": ("nobody.here@local.example", HARD),
    "loop": ("ann@loop.example", SOFT),
    "moved": ("moved@alias.example", HARD),
}


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


def sender(case: str) -> str:
    """VERP; a case that is refused at MAIL is told to the server by its sender."""
    if SCRIPT.get(case, ("",))[0] == "MAIL":
        return f"bounces+{case}@courier.example"
    number = [*SCRIPT, *BY_ITSELF, "success", "late"].index(case) + 1
    return tagged_address("bounces@courier.example", sign_for_mail(KEYS, Purpose.BOUNCE, 7, number))


def reader(case: str) -> str:
    return BY_ITSELF[case][0] if case in BY_ITSELF else f"{case}@reader.example"


def send(port: int, case: str, *, to: str = "", options: tuple[str, ...] = ()) -> None:
    text = f"From: news@courier.example\r\nTo: {to or reader(case)}\r\nSubject: Morning Courier\r\n\r\n{'Tides. ' * 200}\r\n"
    with smtplib.SMTP(HOST, port, timeout=60) as connection:
        connection.ehlo("test.example")
        connection.mail(sender(case))
        code, reply = connection.rcpt(to or reader(case), list(options))
        assert code == 250, reply
        assert connection.data(text.encode())[0] == 250


def wait_for(server: ScriptedServer, case: str, seconds: float = 120) -> bytes:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = server.returned_to(sender(case))
        if found:
            return found[0].data
        time.sleep(0.2)
    raise AssertionError(f"{case}: nothing came back")


@pytest.fixture(scope="module")
def reports() -> Iterator[dict[str, bytes]]:
    """All cases at once; a fraction of a minute, most of it until Postfix gives up."""
    require_postfix()
    script = {case: (stage, reply) for case, (stage, reply, _) in SCRIPT.items()}
    port = free_port()
    with ScriptedServer(script) as server, ScriptedServer({}, size_limit=200) as small:
        way = f"smtp:[{HOST}]:{server.port}"
        transport = {
            "reader.example": way,
            "courier.example": way,
            "office.example": way,
            "small.example": f"smtp:[{HOST}]:{small.port}",
            "refused.example": f"smtp:[{HOST}]:{free_port()}",
            "nowhere.example": "smtp:[mx.nowhere.invalid]",
            "loop.example": f"smtp:[{HOST}]:{port}",
        }
        script["gone"] = ("RCPT", "550 5.1.1 user unknown")
        with running_postfix(transport, port) as postfix:
            for case in [*SCRIPT, *BY_ITSELF]:
                send(postfix.port, case)
            send(postfix.port, "success", options=("NOTIFY=SUCCESS",))
            cases = [*SCRIPT, *BY_ITSELF, "success"]
            yield {case: wait_for(server, case) for case in cases}


def test_there_are_enough_cases() -> None:
    assert len(SCRIPT) + len(BY_ITSELF) >= 20


@pytest.mark.parametrize("case", SCRIPT)
def test_a_refusal_is_understood(reports: dict[str, bytes], case: str) -> None:
    (one,) = read_report(reports[case]).results
    assert (one.recipient, one.cls, one.action) == (reader(case), SCRIPT[case][2], Action.FAILED)


@pytest.mark.parametrize("case", BY_ITSELF)
def test_what_postfix_found_is_understood(reports: dict[str, bytes], case: str) -> None:
    (one,) = read_report(reports[case]).results
    assert (one.recipient, one.cls, one.action) == (*BY_ITSELF[case], Action.FAILED)


def test_a_success_is_no_failure(reports: dict[str, bytes]) -> None:
    (one,) = read_report(reports["success"]).results
    assert (one.recipient, one.cls) == ("success@reader.example", ReturnClass.DELIVERED)


def test_each_names_its_delivery(reports: dict[str, bytes], now: datetime) -> None:
    for number, case in enumerate([*SCRIPT, *BY_ITSELF], 1):
        if SCRIPT.get(case, ("",))[0] != "MAIL":
            # Only the address it came to and the returned header count, as a mailbox would have them.
            report = read_report(f"Delivered-To: {sender(case)}\n".encode() + reports[case])
            assert delivery_of(report.mentions, KEYS, now) == (7, number), case


def test_a_delay_is_no_failure() -> None:
    require_postfix()
    port, way_out = free_port(), {"late": ("RCPT", "450 4.1.1 user unknown for the moment")}
    with ScriptedServer(way_out) as server:
        way = f"smtp:[{HOST}]:{server.port}"
        transport = {"reader.example": way, "courier.example": way}
        with running_postfix(transport, port, lifetime="1h", warning="1s") as postfix:
            send(postfix.port, "late")
            (one,) = read_report(wait_for(server, "late")).results
    assert (one.recipient, one.cls, one.action) == ("late@reader.example", SOFT, Action.DELAYED)
    assert not one.final
