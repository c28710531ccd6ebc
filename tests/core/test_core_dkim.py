"""Signatures hold for any message, in the eyes of dkimpy; they cover what they must, and say when they were made."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import VALUES, headers, message, rendered
from signatures import DOMAIN, ed25519_key, rsa_key, signer, tags, verdicts, zone

from syndicate.config.sections import Digest
from syndicate.config.values import selector
from syndicate.core.dkim.canonical import relaxed_body, relaxed_fields
from syndicate.core.dkim.keys import read_key, record_name, signing_keys, txt_strings, zone_line
from syndicate.core.dkim.signing import OVERSIGNED, SIGNED, Signer
from syndicate.core.message.digest_message import build_message
from syndicate.core.message.template import MessageTemplate
from syndicate.errors import KeyFileError

AT = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
# Blanks, folds and line ends in every arrangement; letters beyond ASCII stand for themselves (RFC 6532).
BLANKS = st.text(" \t", max_size=3)
WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12)
VALUE = st.lists(st.tuples(BLANKS, WORD, BLANKS).map("".join), min_size=1, max_size=5).map("\r\n ".join)
KNOWN = [name.decode().title() for name in SIGNED if name != b"from"]
NAME = st.one_of(st.sampled_from(KNOWN), st.from_regex(r"X-[A-Za-z]{1,8}", fullmatch=True))
FIELDS = st.lists(st.tuples(NAME, BLANKS, VALUE).map(lambda field: "{}:{}{}\r\n".format(*field)), max_size=8)
BODY = st.lists(st.text(" \tab.=é", max_size=9), max_size=9).map("\r\n".join)


@given(FIELDS, BODY)
def test_any_message_is_signed_so_that_it_holds(fields: list[str], body: str) -> None:
    data = f"{''.join(fields)}From: ann@courier.example\r\n\r\n{body}".encode()
    signed = signer()(data, AT)
    on_the_wire = signed if signed.endswith(b"\r\n") else signed + b"\r\n"  # as SMTP ends every message
    assert verdicts(on_the_wire) == [True, True]


@given(st.sampled_from(["rsa", "ed25519"]), st.data())
def test_no_octet_of_what_is_signed_can_be_changed(kind: str, data: st.DataObject) -> None:
    key = rsa_key() if kind == "rsa" else ed25519_key()
    original = message(rendered())
    signed = Signer(DOMAIN, [key])(original, AT)
    start = len(signed) - len(original)
    place = data.draw(st.integers(start, len(signed) - 3))
    if signed[place : place + 1].isspace() or signed[place - 1 : place].isspace():
        return  # relaxed: blanks may change
    changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
    name = _field_of(signed[start:], place - start)
    if name and name not in SIGNED:
        return
    # A colon that is no colon any more, a name in capitals: then the parser sees another header, or the same.
    assert verdicts(changed) == [False] or relaxed_fields(changed) == relaxed_fields(signed)


def _field_of(data: bytes, place: int) -> bytes:
    head, _, _ = data.partition(b"\r\n\r\n")
    if place >= len(head):
        return b""
    before = data[:place].rpartition(b"\r\n")[0] + b"\r\n" if b"\r\n" in data[:place] else b""
    line = data[len(before) :].partition(b"\r\n")[0]
    if line.startswith((b" ", b"\t")):
        return _field_of(data, max(0, len(before) - 3))
    return line.partition(b":")[0].lower()


@pytest.fixture(scope="module")
def signed() -> bytes:
    """A digest of the shipped templates."""
    return signer()(message(rendered(), archive_url="https://news.courier.example/issues/"), AT)


def test_a_digest_has_both_signatures_the_one_that_all_know_on_top(signed: bytes) -> None:
    assert verdicts(signed) == [True, True]
    first, second = tags(signed, 0), tags(signed, 1)
    assert (first["a"], first["s"], first["d"]) == ("rsa-sha256", "s2026", DOMAIN)
    assert (second["a"], second["s"], second["d"]) == ("ed25519-sha256", "e2026", DOMAIN)
    for each in (first, second):
        assert (each["v"], each["c"], each["t"]) == ("1", "relaxed/relaxed", str(int(AT.timestamp())))
        assert "l" not in each


def test_every_field_that_readers_and_programs_act_on_is_covered(signed: bytes) -> None:
    head = signed.partition(b"\r\n\r\n")[0].decode()
    there = [name.lower() for name in re.findall(r"(?m)^([A-Za-z-]+):", head) if name != "DKIM-Signature"]
    covered = tags(signed)["h"].split(":")
    assert set(there) <= set(covered), "all that a digest has (R12)"
    for name in ("from", "list-unsubscribe", "list-unsubscribe-post", "subject", "to", "date", "message-id"):
        assert covered.count(name) == there.count(name) + 1, f"{name} is oversigned"


@pytest.mark.parametrize(
    "added",
    [
        "From: Mallory <mallory@elsewhere.example>",
        "List-Unsubscribe: <https://elsewhere.example/>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "Subject: Win a boat",
        "Content-Type: text/plain",
    ],
)
def test_a_second_one_breaks_them(signed: bytes, added: str) -> None:
    assert verdicts(f"{added}\r\n".encode() + signed) == [False, False]


def test_one_click_cannot_be_added_to_a_mail_that_has_none() -> None:
    plain = signer()(b"From: ann@courier.example\r\nSubject: Please confirm\r\n\r\nHello\r\n", AT)
    assert verdicts(plain) == [True, True]
    assert verdicts(b"List-Unsubscribe: <https://elsewhere.example/>\r\n" + plain) == [False, False]


def test_what_a_relay_may_do_leaves_them_whole(signed: bytes) -> None:
    received = b"Received: from a by b;\r\n\tSun, 22 Nov 2026 07:30:01 +0000\r\n"
    refolded = signed.replace(b"Auto-Submitted: auto-generated", b"Auto-Submitted:\r\n\t auto-generated ")
    assert refolded != signed
    assert verdicts(received + refolded + b"\r\n\r\n") == [True, True]


def test_a_second_try_has_the_same_octets() -> None:
    data = message(rendered())
    assert signer()(data, AT) == signer()(data, AT)


def test_its_lines_are_short_and_no_tag_is_cut(signed: bytes) -> None:
    own = signed[: signed.index(b"\r\nFrom: ")]
    assert all(len(line) <= 78 for line in own.split(b"\r\n"))
    assert own.count(b"DKIM-Signature: v=1; a=") == 2


def test_the_message_itself_is_not_touched() -> None:
    data = message(rendered())
    assert signer()(data, AT).endswith(data)


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \r\n", b""),
        (b"a", b"a\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n"),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 3.4.5
        (b"a \t", b"a\r\n"),
    ],
)
def test_bodies_in_their_relaxed_form(body: bytes, relaxed: bytes) -> None:
    assert relaxed_body(body) == relaxed


def test_fields_in_their_relaxed_form() -> None:
    head = b"A: X\r\nB : Y\t\r\n\tZ  "  # RFC 6376 3.4.5
    assert [field.relaxed for field in relaxed_fields(head)] == [b"a:X", b"b:Y Z"]


def test_records_are_those_that_verifiers_read() -> None:
    assert rsa_key().record.startswith("v=DKIM1; k=rsa; p=MIIBIjAN")
    assert len(ed25519_key().public) == 44, "the bare key, no structure around it (RFC 8463 4)"
    pieces = txt_strings(rsa_key().record)
    assert [len(piece) <= 255 for piece in pieces] == [True, True]
    assert "".join(pieces) == rsa_key().record
    name = record_name("s2026", DOMAIN)
    assert name == "s2026._domainkey.courier.example"
    assert zone_line(name, "a" * 256) == f'{name}. IN TXT ( "{"a" * 255}" "a" )'


def test_the_first_key_of_each_kind_signs() -> None:
    old, new = rsa_key("s2025"), rsa_key()
    assert signing_keys([ed25519_key(), new, old]) == [new, ed25519_key()]
    assert signing_keys([old]) == [old]


def test_while_keys_change_old_and_new_signatures_hold_side_by_side() -> None:
    data = message(rendered())
    old = Signer(DOMAIN, signing_keys([rsa_key("s2025"), ed25519_key()]))(data, AT)
    new = Signer(DOMAIN, signing_keys([rsa_key(), rsa_key("s2025"), ed25519_key()]))(data, AT)
    published = zone([rsa_key("s2025"), rsa_key(), ed25519_key()])
    assert (tags(old)["s"], tags(new)["s"]) == ("s2025", "s2026")
    assert verdicts(old, published) == verdicts(new, published) == [True, True]


@pytest.mark.parametrize("look", ["magazine", "brief", "plain-letter"])
def test_the_body_of_a_digest_is_relaxed_as_it_is_so_that_nothing_is_done_per_reader(look: str) -> None:
    template = MessageTemplate(build_message(rendered(digest=Digest(template=look)), headers()))
    assert template.relaxed
    data = template.fill(VALUES | {"recipient.name": "Ann  B"})
    assert signer()(data, AT, relaxed=True) == signer()(data, AT)


def test_a_key_shows_nothing_of_itself() -> None:
    assert repr(rsa_key()) == "DkimKey('s2026', rsa, 2048 bits)"


ELLIPTIC = generate_ec(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCKED = rsa_key().private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
PUBLIC = rsa_key().private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_keys_of_openssl_are_read(form: PrivateFormat) -> None:
    text = rsa_key().private.private_bytes(Encoding.PEM, form, NoEncryption())
    assert read_key("s2026", text, "it").record == rsa_key().record


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it holds no private key in PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "it holds no private key in PEM"),
        (PUBLIC, "it holds no private key in PEM"),
        (ELLIPTIC, "expected RSA or Ed25519"),
        (LOCKED, "it is locked with a password"),
    ],
)
def test_what_is_no_key_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(KeyFileError, match=says):
        read_key("s2026", data, "it")


@pytest.mark.parametrize("name", ["s2026", "2026-11", "s1.mail", "a" * 63])
def test_selectors(name: str) -> None:
    assert selector(name) == name


@pytest.mark.parametrize("name", ["", "s_1", "S1", "-a", "a-", "a..b", "a" * 64, "a b", "a;b"])
def test_what_is_no_selector(name: str) -> None:
    with pytest.raises(ValueError, match="expected selectors"):
        selector(name)


def test_only_what_there_is_is_oversigned() -> None:
    assert set(SIGNED) >= OVERSIGNED
