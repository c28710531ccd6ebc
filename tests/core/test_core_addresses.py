"""Addresses: what is taken, compared and refused, and names that go into mails."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.addresses import (
    NAME_LIMIT,
    clean_name,
    hash_address,
    mask,
    parent_domains,
    parse_address,
)
from syndicate.errors import AddressError


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Ann@Example.ORG", "ann@example.org"),
        ("  ann@example.org\t", "ann@example.org"),
        ("a.b+morning@example.org", "a.b+morning@example.org"),
        ("o'brien!#$%&*/=?^_`{|}~-@example.org", "o'brien!#$%&*/=?^_`{|}~-@example.org"),
        ("Käpt'n@Möwenhagen.example", "käpt'n@xn--mwenhagen-07a.example"),
        ("käpt'n@möwenhagen.example", "käpt'n@xn--mwenhagen-07a.example"),
        ("ann@xn--mwenhagen-07a.example", "ann@xn--mwenhagen-07a.example"),
        ("港@港.example", "港@xn--j6w.example"),
        ("a@b。example", "a@b.example"),
        ("x@1and1.example", "x@1and1.example"),
        ("ß@STRAßE.example", "ß@xn--strae-oqa.example"),
    ],
)
def test_the_compared_form(typed: str, key: str) -> None:
    address = parse_address(typed)
    assert address.key == key
    assert address.domain == key.rpartition("@")[2]
    assert address.email == typed.strip()
    assert parse_address(address.wire).key == key


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "empty"),
        ("ann", "no @"),
        ("@example.org", "nothing before"),
        ("ann@", "no domain"),
        ("ann@localhost", "no dot"),
        ("ann@[192.0.2.1]", "domain name is expected"),
        ("ann@192.0.2.1", "not a number"),
        ("ann@example.org.", "ends in a dot"),
        ("ann@exa_mple.org", "no domain name"),
        ("ann@-example.org", "no domain name"),
        ("ann@xn--a.example", "no domain name"),
        ("ann@exam..example", "no domain name"),
        (f"ann@{'a' * 64}.example", "no domain name"),
        ("Ann Brand <ann@example.org>", "angle brackets"),
        ("<ann@example.org>", "angle brackets"),
        ("ann brand@example.org", "space"),
        ("ann@example.org\nBcc: bo@example.org", "line break"),
        ("ann@example.org\r", "line break"),
        ("ann\x00@example.org", "U+0000"),
        ("an\u202en@example.org", "U+202E"),
        ("an\u00a0n@example.org", "a space (U+00A0)"),
        ('"ann"@example.org', "may not stand"),
        ("ann,bo@example.org", "may not stand"),
        ("ann@bo@example.org", "more than one @"),
        (".ann@example.org", "dot"),
        ("ann.@example.org", "dot"),
        ("an..n@example.org", "dot"),
        ("a" * 65 + "@example.org", "longer than 64"),
        ("ä" * 33 + "@example.org", "longer than 64"),
        ("a" * 60 + "@" + ".".join(["b" * 49] * 4), "longer than 254"),
    ],
)
def test_what_is_refused(typed: str, words: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(typed)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert not any(unicodedata.category(character)[0] in "CZ" for character in address.email)
    assert address.domain.isascii()
    assert len(address.wire.encode()) <= 254


_LOCAL = st.text(st.characters(categories=["L", "M", "N"], include_characters="._+-!'"), min_size=1, max_size=20)
_DOMAIN = st.from_regex(r"[a-z0-9äöüéßñ港]{1,20}\.[a-z]{2,10}", fullmatch=True)


@given(_LOCAL, _DOMAIN)
def test_the_compared_form_is_its_own(local: str, domain: str) -> None:
    try:
        address = parse_address(f"{local}@{domain}")
    except AddressError:
        return
    again = parse_address(address.key)
    assert again.key == address.key
    assert parse_address(address.email.upper()).domain == address.domain or "ß" in domain
    assert parse_address(unicodedata.normalize("NFD", address.email)).key == address.key


def test_only_local_parts_beyond_ascii_need_smtputf8() -> None:
    assert parse_address("käthe@example.org").needs_smtputf8
    assert not parse_address("kaethe@möwenhagen.example").needs_smtputf8


def test_the_hash_depends_on_address_and_key() -> None:
    one = hash_address("ann@example.org", b"k" * 32)
    assert one == hash_address("ann@example.org", b"k" * 32)
    assert len(one) == 64
    assert one != hash_address("bo@example.org", b"k" * 32)
    assert one != hash_address("ann@example.org", b"l" * 32)


def test_parent_domains_stop_above_the_last_label() -> None:
    assert list(parent_domains("a.b.example")) == ["a.b.example", "b.example"]


def test_a_masked_address_shows_one_letter() -> None:
    assert mask("ann.brand@courier.example") == "a***@courier.example"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Ann Brand", "Ann Brand"),
        ("  Ann \t Brand\r\n", "Ann Brand"),
        ("Ann\r\nBcc: bo", "Ann Bcc: bo"),
        ("Ann\u202eBrand", "AnnBrand"),
        ("=cmd", "=cmd"),
        ("J.R. Brand", "J.R. Brand"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627", "\u0645\u06cc\u200c\u062e\u0648\u0627"),
        ("see http://spam.example", ""),
        ("see HTTPS spam", ""),
        ("WWW.spam.example", ""),
        ("ann@example.org", ""),
        ("\uff57\uff57\uff57.spam.example", ""),
        ("ht\u200dtp spam", ""),
        ("win spam.example/prize", ""),
        ("x" * 150, "x" * NAME_LIMIT),
    ],
)
def test_names(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@given(st.text(max_size=300))
def test_a_cleaned_name_is_one_short_line_and_stays_as_it_is(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= NAME_LIMIT
    assert len(name.splitlines()) <= 1
    assert "@" not in name
    assert clean_name(name) == name


def test_a_long_name_is_not_cut_between_a_letter_and_its_mark() -> None:
    name = clean_name("x" * (NAME_LIMIT - 1) + "q\u0323\u0307")
    assert name == "x" * (NAME_LIMIT - 1)
