from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.maildir import base_name, file_content, file_name
from syndicate.errors import AddressError
from syndicate.model import Envelope

HEADER = b"Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <7.t0ken@courier.example>\r\nSubject: tide\r\n"


def envelope(data: bytes = HEADER + b"\r\nLow at nine.\r\n", recipient: str = "ana@reader.example") -> Envelope:
    return Envelope(sender="bounces+t@courier.example", recipient=recipient, data=data)


def test_name_comes_from_the_message_alone() -> None:
    name = file_name(envelope())
    assert re.fullmatch(r"1795334400\.[0-9a-f]{32}\.courier\.example", name)
    # A re-send renders the same message; what else stands in it does not count.
    assert file_name(envelope(HEADER + b"\r\nHigh at three.\r\n")) == name
    assert file_name(envelope(HEADER.replace(b"Message-ID: ", b"message-id:\r\n ") + b"\r\n")) == name
    others = [
        envelope(HEADER.replace(b"7.t0ken", b"8.t0ken")),
        envelope(recipient="ben@reader.example"),
        envelope(HEADER.replace(b"08:00:00", b"08:00:01")),
    ]
    assert len({name, *map(file_name, others)}) == 4


def test_without_a_message_id_the_content_counts() -> None:
    names = {file_name(envelope(b"Subject: x\r\n\r\n" + body)) for body in (b"one", b"two", b"Message-ID: <1@x>\r\n")}
    assert len(names) == 3
    assert all(re.fullmatch(r"0\.[0-9a-f]{32}\.localhost", name) for name in names)


@given(
    message_id=st.binary(max_size=200).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
    date=st.one_of(st.sampled_from([b"Mon, 1 Jan 0001 00:00:00 +0000", b"Thu, 1 Jan 1970"]), st.binary(max_size=40)),
)
def test_any_header_gives_a_name_that_readers_accept(message_id: bytes, date: bytes) -> None:
    name = file_name(envelope(b"Message-ID: " + message_id + b"\r\nDate: " + date + b"\r\n\r\nx\r\n"))
    assert re.fullmatch(r"\d+\.[0-9a-f]{32}\.[A-Za-z0-9.-]{1,64}", name), "no slash, no colon, no leading dot"


def test_content() -> None:
    assert file_content(envelope(b"Subject: x\r\n\r\n.dot\r\n")) == (
        b"Return-Path: <bounces+t@courier.example>\nDelivered-To: ana@reader.example\nSubject: x\n\n.dot\n"
    )
    bounced = Envelope(sender="", recipient="ana@bücher.example", data=b"x\r\n")
    assert file_content(bounced) == b"Return-Path: <>\nDelivered-To: ana@xn--bcher-kva.example\nx\n"


@pytest.mark.parametrize("field", ["sender", "recipient"])
def test_no_header_line_through_an_address(field: str) -> None:
    addresses = {"sender": "b@courier.example", "recipient": "a@reader.example", field: "a@b.example>\nX: y"}
    with pytest.raises(AddressError):
        file_content(Envelope(addresses["sender"], addresses["recipient"], b""))


def test_base_name() -> None:
    assert [base_name(name) for name in ("1.a.b", "1.a.b:2,", "1.a.b:2,RS")] == ["1.a.b"] * 3
