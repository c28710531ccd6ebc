"""DKIM records and DMARC's tree walk."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from doctor_zones import ED25519_KEY, OTHER_KEY, RSA_KEY, dkim
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.doctor.dkim_judging import judge_dkim
from syndicate.core.doctor.dkim_record import DkimSyntaxError, of_public_key, public_key, read_dkim
from syndicate.core.doctor.dmarc import walk, walked
from syndicate.core.doctor.dmarc_judging import Identities, judge_dmarc
from syndicate.core.doctor.dmarc_record import DmarcSyntaxError, is_dmarc, read_dmarc
from syndicate.core.doctor.names import Answer, Kind, Question, answered
from syndicate.core.doctor.tags import TagError, read_tags


def zone(records: Mapping[str, str]) -> Callable[[Question], Answer]:
    def ask(question: Question) -> Answer:
        text = records.get(question.name)
        return Answer(Kind.FOUND, (text,)) if text else Answer(Kind.NO_NAME)

    return ask


@pytest.mark.parametrize("key", [RSA_KEY, ED25519_KEY])
def test_a_published_key_is_the_key_itself(key: object) -> None:
    record = read_dkim(dkim(key))  # type: ignore[arg-type]
    assert record.key == of_public_key(key.public_key())  # type: ignore[attr-defined]
    assert record.key != of_public_key(OTHER_KEY.public_key())
    assert not record.testing


def test_keys_are_the_same_however_they_are_written() -> None:
    plain = dkim(RSA_KEY)
    folded = plain.replace("p=", "p=\t ").replace("MIIB", "MI IB ") + " ;"
    assert read_dkim(folded).key == read_dkim(plain).key
    bare = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert public_key("rsa", base64.b64encode(bare).decode()) == read_dkim(plain).key


@pytest.mark.parametrize(
    ("record", "word"),
    [
        ("v=DKIM1; k=rsa", "p="),
        ("k=rsa; v=DKIM1; p=", "first"),
        ("v=DKIM2; p=", "first"),
        ("v=DKIM1; k=dsa; p=AAAA", "kinds"),
        ("v=DKIM1; p=AA*A", "base64"),
        ("v=DKIM1; p=AAAA", "cut"),
        ("v=DKIM1; k=ed25519; p=AAAA", "cut"),
        ('v=DKIM1; "p=AAAA"', "quotation"),
        ("v=DKIM1; p=AAAA; p=AAAA", "twice"),
        ("v=DKIM1; hello; p=AAAA", "hello"),
    ],
)
def test_records_that_no_verifier_can_use(record: str, word: str) -> None:
    with pytest.raises(DkimSyntaxError, match=word):
        read_dkim(record)


def test_a_key_that_does_not_sign_may_be_without_its_record() -> None:
    keys = {"new": of_public_key(RSA_KEY.public_key()), "old": of_public_key(OTHER_KEY.public_key())}
    records = zone({"new._domainkey.courier.example": dkim(RSA_KEY)})
    found = answered(judge_dkim("courier.example", keys, {"old"}), records)  # type: ignore[arg-type]
    assert [(each.code, each.verdict) for each in found] == [("dkim.matches", "good"), ("dkim.missing", "warning")]


def test_ed25519_alone_is_not_enough() -> None:
    key = of_public_key(ED25519_KEY.public_key())
    records = zone({"e._domainkey.courier.example": dkim(ED25519_KEY)})
    found = answered(judge_dkim("courier.example", {"e": key}), records)  # type: ignore[dict-item]
    assert [each.code for each in found] == ["dkim.matches", "dkim.no_rsa"]


_name = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
_value = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";"), max_size=20)
_space = st.sampled_from(["", " ", "\t", "  "])


@given(st.dictionaries(_name, _value, min_size=1, max_size=6), _space, st.booleans())
def test_tag_lists_are_read_back(tags: dict[str, str], space: str, ended: bool) -> None:
    text = f"{space};{space}".join(f"{name}{space}={space}{value}" for name, value in tags.items())
    assert read_tags(text + (f"{space};{space}" if ended else "")) == tags


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(TagError):  # and nothing else
        read_tags(text)
    with suppress(DkimSyntaxError):
        read_dkim(text)
    with suppress(DmarcSyntaxError):
        read_dmarc("v=DMARC1;" + text)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("v=DMARC1", True),
        ("v = DMARC1 ; p=none", True),
        ("v=DMARC1; p=none", True),
        ("v=dmarc1; p=none", False),
        ("p=none; v=DMARC1", False),
        ("v=DMARC10", False),
        ("V=DMARC1", False),
    ],
)
def test_what_is_a_dmarc_record(text: str, is_one: bool) -> None:
    assert is_dmarc(text) is is_one


def test_the_domains_of_a_tree_walk() -> None:
    assert walked("a.mail.example.com") == ["a.mail.example.com", "mail.example.com", "example.com", "com"]
    # RFC 9989 4.10: after the domain itself the middle of a long name is left out, so that seven labels come next.
    names = walked("a.b.c.d.e.f.g.h.i.j.mail.example.com")
    assert names[:2] == ["a.b.c.d.e.f.g.h.i.j.mail.example.com", "g.h.i.j.mail.example.com"]
    assert len(names) == 8


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40))
def test_a_tree_walk_asks_at_most_eight_times(labels: list[str]) -> None:
    names = walked(".".join(labels))
    assert len(names) <= 8
    assert names[0] == ".".join(labels)
    assert names[-1] == labels[-1]


@pytest.mark.parametrize(
    ("records", "organizational", "applied"),
    [
        ({"_dmarc.example.com": "v=DMARC1; p=reject"}, "example.com", "example.com"),
        ({"_dmarc.a.mail.example.com": "v=DMARC1; p=none"}, "a.mail.example.com", "a.mail.example.com"),
        (
            {"_dmarc.a.mail.example.com": "v=DMARC1; p=none", "_dmarc.example.com": "v=DMARC1; p=reject"},
            "example.com",
            "a.mail.example.com",
        ),
        (
            {"_dmarc.mail.example.com": "v=DMARC1; p=none; psd=n", "_dmarc.example.com": "v=DMARC1; p=reject"},
            "mail.example.com",
            "mail.example.com",
        ),
        ({"_dmarc.com": "v=DMARC1; p=reject; psd=y"}, "example.com", "com"),
        (
            {"_dmarc.example.com": "v=DMARC1; p=none", "_dmarc.com": "v=DMARC1; p=reject; psd=y"},
            "example.com",
            "example.com",
        ),
        ({}, "a.mail.example.com", None),
    ],
)
def test_the_organizational_domain(records: dict[str, str], organizational: str, applied: str | None) -> None:
    found = answered(walk("a.mail.example.com"), zone(records))
    assert found.organizational == organizational
    assert (found.applied.domain if found.applied else None) == applied


def test_a_walk_that_nobody_answers_says_nothing_about_alignment() -> None:
    def ask(question: Question) -> Answer:
        if question.name == "_dmarc.courier.example":
            return Answer(Kind.FOUND, ("v=DMARC1; p=reject; rua=mailto:a@courier.example",))
        return Answer(Kind.FAILED, reason="SERVFAIL")

    found = answered(judge_dmarc("courier.example", Identities("bounces.courier.example", None)), ask)
    assert {each.verdict for each in found} == {"good", "unasked"}
    assert {each.code for each in found if each.verdict == "unasked"} == {"dmarc.unanswered"}


def alignment(records: dict[str, str], identities: Identities) -> list[tuple[str, str]]:
    found = answered(judge_dmarc("courier.example", identities), zone(records))
    return [(each.code, str(each.verdict)) for each in found if "aligned" in each.code]


def test_alignment() -> None:
    relaxed = {"_dmarc.courier.example": "v=DMARC1; p=reject; rua=mailto:a@courier.example"}
    strict = {"_dmarc.courier.example": relaxed["_dmarc.courier.example"] + "; aspf=s; adkim=s"}
    beneath = Identities("bounces.courier.example", "courier.example")
    assert alignment(relaxed, beneath) == [("dmarc.aligned_spf", "good"), ("dmarc.aligned_dkim", "good")]
    assert alignment(strict, beneath) == [("dmarc.unaligned_spf", "warning"), ("dmarc.aligned_dkim", "good")]
    elsewhere = Identities("bounces.relay.example", None)
    assert alignment(relaxed, elsewhere) == [("dmarc.unaligned_spf", "warning"), ("dmarc.unaligned", "error")]
    assert [code for code, verdict in alignment(relaxed, Identities("x.example", "y.example")) if verdict == "error"]
