"""Returned messages in the dialects of servers, and everything else that a mailbox may hold."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.bounces.languages import in_english
from syndicate.core.bounces.mime import READ_LIMIT, take_apart, words_decoded
from syndicate.core.bounces.reading import read_report
from syndicate.core.bounces.refusals import enhanced_in, refusal, reply_code
from syndicate.core.bounces.report import Action, ReturnClass

FOLDER = Path(__file__).parents[1] / "data" / "bounces"
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def sample(name: str) -> bytes:
    return (FOLDER / f"{name}.eml").read_bytes()


def test_the_collection_is_large_enough_and_complete() -> None:
    assert len(EXPECTED) >= 60
    assert set(EXPECTED) == {path.stem for path in FOLDER.glob("*.eml")}
    assert {one["cls"] for results in EXPECTED.values() for one in results} == set(ReturnClass)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_returned_message_is_understood(name: str) -> None:
    found = [
        {"recipient": one.recipient, "cls": one.cls.value, "action": one.action and one.action.value}
        for one in read_report(sample(name)).results
    ]
    expected = [{"action": None, **one} if "action" in one else one for one in EXPECTED[name]]
    assert [{key: one[key] for key in wanted} for one, wanted in zip(found, expected, strict=True)] == expected


def test_what_anybody_wrote_is_no_failure() -> None:
    person = b"From: Ann <ann@reader.example>\nSubject: Re: Morning Courier\n\n"
    assert read_report(person + b"550 5.1.1 user unknown, as they say. Delivery failed?").results == ()


@given(st.binary(max_size=3000))
def test_no_octets_are_too_strange(data: bytes) -> None:
    read_report(data)


@given(st.sampled_from(sorted(EXPECTED)), st.data())
def test_damage_is_survived_and_invents_no_recipient_of_ours(name: str, data: st.DataObject) -> None:
    whole = sample(name)
    at = data.draw(st.integers(0, max(len(whole), 1)))
    junk = data.draw(st.binary(max_size=40))
    for damaged in (whole[:at], whole[at:], whole[:at] + junk + whole[at:]):
        for one in read_report(damaged).results:
            assert one.cls in ReturnClass
            assert len(one.text) <= 500
            assert one.recipient is None or "@" in one.recipient


@given(
    st.sampled_from([name for name, results in EXPECTED.items() if results]), st.sampled_from([b"\n", b"\r\n", b"\r"])
)
def test_line_ends_and_mailboxes_change_nothing(name: str, end: bytes) -> None:
    data = sample(name).replace(b"\r\n", b"\n")
    again = read_report(b"From MAILER-DAEMON Sun Nov 22 07:31:00 2026" + end + data.replace(b"\n", end))
    assert again.results == read_report(data).results


@pytest.mark.parametrize("levels", [200, 5000])
def test_parts_in_parts_without_end(levels: int) -> None:
    header = b"From: MAILER-DAEMON@mx.reader.example\nSubject: Undelivered Mail\n"
    body = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level) for level in range(levels)
    )
    started = time.process_time()
    read_report(header + body + b"\nuser unknown <ann@reader.example>: 550 5.1.1\n")
    assert time.process_time() - started < 5


def test_thousands_of_parts() -> None:
    part = b"--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\n"
    message = take_apart(b'Content-Type: multipart/report; boundary="b"\n\n' + part * 20_000)
    assert len(message.parts) <= 64


def test_messages_in_messages_without_end() -> None:
    data = b"550 5.1.1 <ann@reader.example>"
    for _ in range(300):
        data = b"Content-Type: message/rfc822\n\n" + data
    assert read_report(data).results == ()


def test_fifty_megabytes_are_read_at_their_beginning_only() -> None:
    data = sample("postfix-unknown") + b"\nx" * 26_000_000
    started = time.process_time()
    (one,) = read_report(data).results
    assert (one.cls, one.recipient) == (ReturnClass.HARD, "ann@reader.example")
    assert time.process_time() - started < 5


def test_a_report_behind_fifty_megabytes_is_not_looked_for() -> None:
    data = b"From: MAILER-DAEMON@a.example\n\n" + b"x" * READ_LIMIT + sample("postfix-unknown")
    assert read_report(data).results == ()


@pytest.mark.parametrize(
    "piece",
    [
        "a@", "<a@b.example> ", "550 ", "5.1.1 ", "-" * 60, "=?utf-8?q?", "user ", "benutzer ", "宛先 ", "Received: from ",
        "host x[1] ", "\n ", "\n\n", "Final-Recipient: ", "to: a@b.example\n", "a.b.c.d-", "<div ", "<style ", '"', "auto",
    ],
)  # fmt: skip
def test_no_text_takes_long(piece: str) -> None:
    text = (piece * 60_000)[:60_000]
    head = "From: MAILER-DAEMON@mx.example\nSubject: Undelivered Mail "
    for kind in ("text/plain", "text/html", "message/delivery-status", "multipart/mixed; boundary=x"):
        started = time.process_time()
        read_report(f"{head}\nContent-Type: {kind}\n\nThe following addresses failed:\n{text}".encode())
        read_report(f"{head}{text[:9000]}\nTo: {text[:9000]}\nContent-Type: {kind};{text[:9000]}\n\nfailed".encode())
        assert time.process_time() - started < 3, kind


@pytest.mark.parametrize(
    "charset", ["zip", "rot13", "punycode", "idna", "unicode_escape", "utf-7", "", "é", "\0", "a" * 999]
)
def test_charsets_that_are_none(charset: str) -> None:
    data = f"From: MAILER-DAEMON@a.example\nSubject: =?{charset}?q?failed?=\nContent-Type: text/plain; charset={charset}\n\n"
    read_report(data.encode() + b"delivery failed \xff\xfe\\x00 <ann@reader.example> 550 5.1.1 user unknown")


def test_encoded_words() -> None:
    assert words_decoded("=?utf-8?q?Unzustellbare?= =?utf-8?b?IFBvc3Q=?=") == "Unzustellbare Post"
    assert words_decoded("=?iso-2022-jp?B?GyRCQXc/LhsoQg==?=") == "送信"
    assert words_decoded("=?broken") == "=?broken"


@pytest.mark.parametrize(
    ("words", "code", "enhanced"),
    [
        ("550 5.1.1 no", 550, "5.1.1"),
        ("host a[1] said: 554 no", 554, None),
        ("550-5.7.1 a 550 5.7.1 b", 550, "5.7.1"),
        ("5.1.0 - Unknown address error 550-'5.2.2 full'", 550, "5.2.2"),
        ("(#5.1.1)", None, "5.1.1"),
        ("connect to 192.0.2.5:25", None, None),
        ("port 587 of 5.6.7.8", None, None),
        ("250 2.0.0 ok", None, None),
    ],
)
def test_codes_in_words(words: str, code: int | None, enhanced: str | None) -> None:
    assert (reply_code(words), enhanced_in(words)) == (code, enhanced)


@given(st.integers(0, 999), st.text(max_size=60))
def test_policy_codes_never_speak_against_a_reader(detail: int, text: str) -> None:
    words = "".join(character for character in text if not character.isdigit())
    assert refusal(None, f"550 5.7.{detail} {words}", status=f"5.7.{detail}").cls is not ReturnClass.SOFT
    assert refusal(None, f"554 5.7.{detail} rejected by policy, {words}").cls is ReturnClass.BLOCK


@given(st.text(max_size=80))
def test_what_is_late_is_never_hard(text: str) -> None:
    assert refusal(None, f"550 5.1.1 user unknown {text}", action=Action.DELAYED).cls is not ReturnClass.HARD
    assert refusal(None, text, status="4.1.1").cls is not ReturnClass.HARD


def test_words_about_the_sender_are_not_about_the_reader() -> None:
    text = "SMTP error after MAIL FROM:<bounces@courier.example>: 550 5.1.0 unknown user"
    assert refusal("ann@reader.example", text).cls is ReturnClass.BLOCK


def test_what_is_english_already_stays_as_it_is() -> None:
    assert in_english("550 5.1.1 user unknown") == "550 5.1.1 user unknown"
    assert in_english("Empfänger unbekannt") == "Empfänger unbekannt (user unknown)"
