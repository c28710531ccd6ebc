"""What of ours comes back with a message: genuine tokens speak, altered ones and quoted ones do not."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.bounces.reading import Report, read_report
from syndicate.core.bounces.tokens import delivery_of, unsubscribe_token
from syndicate.core.links import Purpose, message_id_token, sign_for_mail, tagged_address
from syndicate.model import Keyring, SigningKey

KEYS = Keyring(keys=(SigningKey(id="k1", secret=b"1" * 32),), hash_key=b"h" * 32)
OTHERS = Keyring(keys=(SigningKey(id="k1", secret=b"2" * 32),), hash_key=b"i" * 32)
SAMPLE = (Path(__file__).parents[1] / "data" / "bounces" / "postfix-unknown.eml").read_text()
ISSUE, READER, SUBSCRIPTION = 7, 4711, 99


def verp(keyring: Keyring = KEYS) -> str:
    return tagged_address("bounces@courier.example", sign_for_mail(keyring, Purpose.BOUNCE, ISSUE, READER))


def leave(keyring: Keyring = KEYS) -> str:
    return tagged_address("bounces@courier.example", sign_for_mail(keyring, Purpose.UNSUBSCRIBE, SUBSCRIPTION))


def message_id(keyring: Keyring = KEYS) -> str:
    return f"<{message_id_token(keyring, ISSUE, READER)}@courier.example>"


def report(text: str) -> Report:
    return read_report(text.encode())


@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_the_address_it_came_to_names_the_delivery(now: datetime, change: type[str]) -> None:
    found = report(
        SAMPLE.replace("To: bounces@courier.example", f"To: <{change(verp().rpartition('@')[0])}@courier.example>")
    )
    expected = None if change is str.upper else (ISSUE, READER)  # the key's id keeps its case; the body need not
    assert delivery_of(found.mentions, KEYS, now) in {expected, (ISSUE, READER)}
    assert delivery_of(found.mentions, OTHERS, now) is None


@pytest.mark.parametrize("name", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_so_do_the_fields_that_servers_add(now: datetime, name: str) -> None:
    assert delivery_of(report(f"{name}: {verp()}\n{SAMPLE}").mentions, KEYS, now) == (ISSUE, READER)


def test_so_do_the_header_that_is_returned_and_a_letter_that_quotes_it(now: datetime) -> None:
    returned = SAMPLE.replace("<20261122.7@courier.example>", message_id())
    assert delivery_of(report(returned).mentions, KEYS, now) == (ISSUE, READER)
    path = SAMPLE.replace("Return-Path: <bounces@courier.example>", f"Return-Path: <{verp()}>")
    assert delivery_of(report(path).mentions, KEYS, now) == (ISSUE, READER)
    letter = f"From: MAILER-DAEMON@a.example\nSubject: failed\n\nnot delivered: 550 no\n> Message-ID: {message_id()}\n"
    assert delivery_of(report(letter).mentions, KEYS, now) == (ISSUE, READER)


def test_an_answer_names_it_by_what_it_answers(now: datetime) -> None:
    answer = f"From: ann@reader.example\nIn-Reply-To: {message_id()}\nSubject: Automatic reply: x\n\naway\n"
    assert delivery_of(report(answer).mentions, KEYS, now) == (ISSUE, READER)


def test_a_redacted_complaint_is_known_by_its_message_id(now: datetime) -> None:
    text = (Path(__file__).parents[1] / "data" / "bounces" / "arf-redacted.eml").read_text()
    found = report(text.replace("<20261122.7@courier.example>", message_id()))
    assert found.results[0].recipient is None
    assert delivery_of(found.mentions, KEYS, now) == (ISSUE, READER)


@given(st.integers(0, 200), st.sampled_from("abcdefghij234567"))
def test_an_altered_token_is_none(at: int, letter: str) -> None:
    moment = datetime.fromisoformat("2026-11-22T08:00:00+00:00")
    address = verp()
    at = len("bounces+k1.") + at % 39
    altered = address[:at] + letter + address[at + 1 :]
    found = delivery_of(report(f"To: {altered}\n{SAMPLE}").mentions, KEYS, moment)
    assert found == ((ISSUE, READER) if altered == address else None)


def test_a_mail_to_the_unsubscribe_address_is_a_wish(now: datetime) -> None:
    wish = report(f"From: ann@reader.example\nTo: {leave()}\nSubject: unsubscribe\nAuto-Submitted: auto-replied\n\n")
    assert wish.unsubscribe
    assert wish.results == ()
    assert unsubscribe_token(wish.mentions, KEYS, now) is not None
    assert unsubscribe_token(wish.mentions, OTHERS, now) is None
    subject = sign_for_mail(KEYS, Purpose.UNSUBSCRIBE, SUBSCRIPTION)
    asked = report(f"From: ann@reader.example\nTo: news@courier.example\nSubject: unsubscribe {subject}\n\n")
    assert unsubscribe_token(asked.mentions, KEYS, now) == subject


def test_a_returned_message_quotes_an_unsubscribe_address_and_asks_for_nothing(now: datetime) -> None:
    quoted = SAMPLE.replace("List-Id:", f"List-Unsubscribe: <mailto:{leave()}?subject=unsubscribe>\nList-Id:")
    found = report(quoted)
    assert not found.unsubscribe
    assert unsubscribe_token(found.mentions, KEYS, now) is None
    machine = report(f"From: MAILER-DAEMON@a.example\nTo: {leave()}\nSubject: unsubscribe\n\n")
    assert not machine.unsubscribe
