from __future__ import annotations

import email
import email.header
import email.policy
import re
from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.message.headers import (
    Mailbox,
    date_value,
    encoded_words,
    field,
    list_id_tokens,
    mailbox_tokens,
    message_id_token,
    parse_mailbox,
    phrase,
    unstructured,
    uri_token,
)
from syndicate.errors import AddressError, HeaderError

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
NAMES = TEXT | st.text(st.sampled_from('Zoë "\\,;<>()@.=?_ 漢🇩🇪👩‍👩‍👧'), max_size=120)
FOLDABLE = re.compile(r"(?:[\w-]+:)? \S*\r\n")


def read(line: str) -> str:
    """What a reader sees: unfolded (RFC 5322 2.2.3), encoded words joined and decoded (RFC 2047 6.2)."""
    value = line.partition(": ")[2].removesuffix("\r\n").replace("\r\n", "")
    return str(email.header.make_header(email.header.decode_header(value)))


def check_line(line: str) -> None:
    assert line.endswith("\r\n")
    assert re.fullmatch(r"[ -~\r\n]*", line)
    for number, part in enumerate(line[:-2].split("\r\n")):
        assert number == 0 or part.startswith(" ")
        assert part.strip()
        # Longer than 78 only where there is one unbreakable token: nothing could be folded.
        assert len(part) <= 78 or " " not in part.strip().partition(": ")[2]
        assert len(part) <= 998
    for word in re.findall(r"=\?utf-8\?[bq]\?[^?]*\?=", line):
        assert len(word) <= 75
    assert not re.search(r"\?==\?", line)


@given(TEXT)
def test_a_subject_comes_back(text: str) -> None:
    line = unstructured("Subject", text)
    check_line(line)
    assert read(line) == text
    parsed = email.message_from_string(line + "\r\n", policy=email.policy.default)["Subject"]
    assert parsed.defects == ()
    if not re.search(r"\s", text):  # the parser of 3.11 is not to be trusted with blanks (cpython#128110)
        assert parsed == text


@given(TEXT)
def test_each_encoded_word_can_be_decoded_alone(text: str) -> None:
    # RFC 2047 5: a character must not be divided between two words.
    words = encoded_words(text, first=60)
    assert "".join(str(email.header.make_header(email.header.decode_header(word))) for word in words) == text
    assert len(words[0]) <= 60


def test_clusters_are_not_divided() -> None:
    family = "👩‍👩‍👧‍👦"
    words = [email.header.decode_header(word)[0][0].decode() for word in encoded_words(family * 8)]
    assert all(word and not word.replace(family, "") for word in words)


@given(NAMES)
def test_a_display_name_comes_back_and_stays_one_address(name: str) -> None:
    line = field("To", mailbox_tokens(name, "zoe@reader.example"))
    check_line(line)
    parsed = email.message_from_string(line + "\r\n", policy=email.policy.default)["To"]
    assert [address.addr_spec for address in parsed.addresses] == ["zoe@reader.example"]
    assert parsed.defects == ()
    shown = " ".join(phrase(name))
    if shown.startswith('"'):
        assert re.sub(r"\\(.)", r"\1", shown[1:-1]) == name.strip()
    elif name.strip():
        assert str(email.header.make_header(email.header.decode_header(shown))) == name.strip()


@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\r\n Bcc: x@y.example", "\x7f", "\t"])
@pytest.mark.parametrize("place", ["subject", "name", "title"])
def test_control_characters_are_refused(character: str, place: str) -> None:
    text = f"Zoe{character}"
    write: dict[str, Callable[[], object]] = {
        "subject": lambda: unstructured("Subject", text),
        "name": lambda: mailbox_tokens(text, "zoe@reader.example"),
        "title": lambda: list_id_tokens(text, "morning", "courier.example"),
    }
    with pytest.raises(HeaderError, match=r"control character U\+00"):
        write[place]()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "zoe",
        "zoe@",
        "@reader.example",
        "a b@reader.example",
        "a@b@c.example",
        "zoe@rea der.example",
        "<zoe@x.example>",
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(AddressError):
        mailbox_tokens("", address)


@pytest.mark.parametrize(
    "address", ["zoe@reader.example\r\nBcc: x@y.example", "zoe@reader.example\n", "zoe\x00@reader.example"]
)
def test_an_address_cannot_start_another_header(address: str) -> None:
    with pytest.raises(AddressError):
        mailbox_tokens("", address)


def test_international_addresses() -> None:
    assert mailbox_tokens("", "zoë@kürbis.example") == ["zoë@xn--krbis-kva.example"]
    assert mailbox_tokens("", "zoe+news@reader.example") == ["zoe+news@reader.example"]


@pytest.mark.parametrize(
    ("text", "mailbox"),
    [
        ("The Harbour Courier <news@courier.example>", Mailbox("The Harbour Courier", "news@courier.example")),
        ('"Courier, \\"The\\"" <news@courier.example>', Mailbox('Courier, "The"', "news@courier.example")),
        ("news@courier.example", Mailbox("", "news@courier.example")),
        (" Hafenkurier für alle <news@courier.example> ", Mailbox("Hafenkurier für alle", "news@courier.example")),
    ],
)
def test_mailboxes_of_the_configuration(text: str, mailbox: Mailbox) -> None:
    assert parse_mailbox(text) == mailbox


@pytest.mark.parametrize("text", ["", "Courier", "Courier <>", "Courier <x>"])
def test_a_mailbox_without_an_address(text: str) -> None:
    with pytest.raises(AddressError):
        parse_mailbox(text)


def test_uris_are_never_folded_or_encoded() -> None:
    long = "https://news.courier.example/" + "a" * 200
    line = field("List-Unsubscribe", [uri_token("x", long) + ",", uri_token("x", "mailto:a@courier.example")])
    assert line == f"List-Unsubscribe: <{long}>,\r\n <mailto:a@courier.example>\r\n"


@pytest.mark.parametrize(
    "uri", ["https://x.example/ü", "https://x.example/a b", "https://x.example/>", "nothing", "a:\r\nb"]
)
def test_what_is_no_uri_is_refused(uri: str) -> None:
    with pytest.raises(HeaderError):
        uri_token("List-Unsubscribe", uri)


@pytest.mark.parametrize("value", ["", "x", "x@", "@x", "a b@x", "a@b@c", "a@b\r\nX: y", "ü@x.example"])
def test_what_is_no_message_id_is_refused(value: str) -> None:
    with pytest.raises(HeaderError):
        message_id_token(value)


@pytest.mark.parametrize(
    ("label", "title", "line"),
    [
        ("morning", "Morning Courier", "List-Id: Morning Courier <morning.courier.example>\r\n"),
        ("Sport & Spiel", "", "List-Id: <sport-spiel.courier.example>\r\n"),
        ("港", "A, B", 'List-Id: "A, B" <de6b8af.courier.example>\r\n'),
    ],
)
def test_list_ids(label: str, title: str, line: str) -> None:
    assert field("List-Id", list_id_tokens(title, label, "courier.example")) == line


def test_dates_have_their_real_offset() -> None:
    moment = datetime(2026, 7, 1, 7, 30, tzinfo=ZoneInfo("Europe/London"))
    assert date_value(moment) == "Wed, 01 Jul 2026 07:30:00 +0100"
    assert date_value(moment.astimezone(UTC)) == "Wed, 01 Jul 2026 06:30:00 +0000"
    with pytest.raises(HeaderError):
        date_value(moment.replace(tzinfo=None))


def test_what_no_server_takes_is_refused() -> None:
    with pytest.raises(HeaderError, match="more than 998"):
        field("List-Unsubscribe", ["<https://courier.example/" + "a" * 1000 + ">"])
