"""Entity tags, dates and encodings as clients write them: never a failure, never a wrong match."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.web.feed_server.conditions import ANY, Tag, Verdict, entity_tags, http_date, judge
from syndicate.web.feed_server.negotiation import ENCODINGS, acceptable

TAG = st.from_regex(rb"[\x21\x23-\x7e\x80-\xff]{0,20}", fullmatch=True)
TAGS = st.lists(st.builds(Tag, TAG, st.booleans()), min_size=1, max_size=6)
BLANK = st.sampled_from([b"", b" ", b"\t", b"  "])


def spelled(tags: list[Tag], blanks: list[bytes]) -> bytes:
    members = [(b'W/"%s"' if tag.weak else b'"%s"') % tag.opaque for tag in tags]
    return b",".join(blanks[at % len(blanks)] + member + blanks[0] for at, member in enumerate(members))


@given(TAGS, st.lists(BLANK, min_size=1, max_size=4))
def test_a_list_of_tags_is_read_as_it_was_meant(tags: list[Tag], blanks: list[bytes]) -> None:
    assert entity_tags(spelled(tags, blanks)) == tuple(tags)


@given(TAGS, TAG.filter(lambda tag: b"-" not in tag), st.sampled_from([b"", b"-gzip-0f", b"-br-77"]))
def test_weak_and_strong_comparison(tags: list[Tag], content: bytes, encoding: bytes) -> None:
    ours = content + encoding

    def verdict(field: bytes) -> Verdict:
        return judge({field: spelled(tags, [b" "])}, {ours}, content, NOW)

    same_bytes = any(tag.opaque == ours and not tag.weak for tag in tags)
    assert verdict(b"if-match") is (Verdict.SEND if same_bytes else Verdict.FAILED)
    same_content = any(tag.opaque.partition(b"-")[0] == content for tag in tags)
    assert verdict(b"if-none-match") is (Verdict.UNCHANGED if same_content else Verdict.SEND)


@given(st.binary(max_size=200))
def test_no_header_makes_the_tag_parser_fail(value: bytes) -> None:
    found = entity_tags(value)
    assert found == ANY or all(isinstance(tag, Tag) for tag in found)


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (b"*", ANY),
        (b" * ", ANY),
        (b'"*"', (Tag(b"*", weak=False),)),
        (b'"a,b"', (Tag(b"a,b", weak=False),)),
        (b'W/"a", "b"', (Tag(b"a", weak=True), Tag(b"b", weak=False))),
        (b'w/"a"', ()),
        (b"abc", (Tag(b"abc", weak=False),)),
        (b'"a"x, "b"', (Tag(b"b", weak=False),)),
        (b'"unclosed', ()),
        (b"", ()),
        (b",,", ()),
        (b'"a"' * 3000, ()),
    ],
)
def test_tags(value: bytes, tags: object) -> None:
    assert entity_tags(value) == tags


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))  # noqa: DTZ001 - a zone is set below
def test_a_date_comes_back(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    assert http_date(format_datetime(moment, usegmt=True).encode()) == moment.timestamp()


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)))
def test_no_header_makes_the_date_parser_fail(value: bytes) -> None:
    found = http_date(value)
    assert found is None or isinstance(found, int)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"Sun, 06 Nov 1994 08:49:37 GMT", 784111777),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 784111777),
        (b"Sun Nov  6 08:49:37 1994", 784111777),
        (b"Sun, 06 Nov 1994 09:49:37 +0100", 784111777),
        (b"yesterday", None),
        (b"Sun, 99 Nov 2020 07:00:00 GMT", None),
        (b"0", None),
        (b"", None),
    ],
)
def test_dates(value: bytes, seconds: int | None) -> None:
    assert http_date(value) == seconds


NOW = 784111777
AT, BEFORE, AFTER = (
    format_datetime(datetime.fromtimestamp(NOW + shift, UTC), usegmt=True).encode() for shift in (0, -1, 1)
)


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        ({}, Verdict.SEND),
        ({"if-none-match": b'"a"'}, Verdict.UNCHANGED),
        ({"if-none-match": b'"a-gzip-1"'}, Verdict.UNCHANGED),
        ({"if-none-match": b'"a-gzip-2"'}, Verdict.UNCHANGED),
        ({"if-none-match": b'"ab"'}, Verdict.SEND),
        ({"if-match": b'"a-gzip-1"'}, Verdict.SEND),
        ({"if-match": b'"a-gzip-2"'}, Verdict.FAILED),
        ({"if-none-match": b'W/"a"'}, Verdict.UNCHANGED),
        ({"if-none-match": b"*"}, Verdict.UNCHANGED),
        ({"if-none-match": b'"x", "a"'}, Verdict.UNCHANGED),
        ({"if-none-match": b'"x"'}, Verdict.SEND),
        ({"if-none-match": b'"x"', "if-modified-since": AFTER}, Verdict.SEND),
        ({"if-none-match": b'"a"', "if-modified-since": BEFORE}, Verdict.UNCHANGED),
        ({"if-none-match": b"", "if-modified-since": AFTER}, Verdict.SEND),
        ({"if-modified-since": AT}, Verdict.UNCHANGED),
        ({"if-modified-since": AFTER}, Verdict.UNCHANGED),
        ({"if-modified-since": BEFORE}, Verdict.SEND),
        ({"if-modified-since": b"yesterday"}, Verdict.SEND),
        ({"if-match": b'"a"'}, Verdict.SEND),
        ({"if-match": b"*"}, Verdict.SEND),
        ({"if-match": b'"x"'}, Verdict.FAILED),
        ({"if-match": b'W/"a"'}, Verdict.FAILED),
        ({"if-match": b'"a"', "if-none-match": b'"a"'}, Verdict.UNCHANGED),
        ({"if-match": b'"x"', "if-none-match": b'"a"'}, Verdict.FAILED),
        ({"if-match": b'"a"', "if-unmodified-since": BEFORE}, Verdict.SEND),
        ({"if-unmodified-since": AT}, Verdict.SEND),
        ({"if-unmodified-since": BEFORE}, Verdict.FAILED),
        ({"if-unmodified-since": b"yesterday"}, Verdict.SEND),
        ({"if-unmodified-since": AT, "if-modified-since": AT}, Verdict.UNCHANGED),
    ],
)
def test_conditions_in_their_order(headers: dict[str, bytes], verdict: Verdict) -> None:
    assert judge({name.encode(): value for name, value in headers.items()}, {b"a", b"a-gzip-1"}, b"a", NOW) is verdict


@pytest.mark.parametrize(
    ("value", "order"),
    [
        (None, "identity"),
        (b"", "identity"),
        (b"gzip", "gzip identity"),
        (b"gzip, deflate", "gzip identity"),
        (b"x-gzip", "gzip identity"),
        (b"GZIP", "gzip identity"),
        (b"gzip, deflate, br, zstd", "br gzip identity"),
        (b"br;q=0.5, gzip;q=0.8", "gzip br identity"),
        (b"br;q=0, gzip", "gzip identity"),
        (b"*", "br gzip identity"),
        (b"*;q=0.1, gzip", "gzip br identity"),
        (b"*;q=0", "identity"),
        (b"gzip;q=0.5, identity", "identity gzip"),
        (b"identity;q=0, gzip;q=0.1", "gzip identity"),
        (b"identity;q=0", "identity"),
        (b"gzip;q=1.5", "identity"),
        (b"gzip;q=", "identity"),
        (b"gzip; Q=0.5 , br ; q=0.500", "br gzip identity"),
        (b"gzip;level=9", "identity"),
        (b"deflate", "identity"),
        (b"gzip," * 1000, "identity"),
        (b"\xff\xfe", "identity"),
    ],
)
def test_accept_encoding(value: bytes | None, order: str) -> None:
    assert " ".join(acceptable(value)) == order


@given(st.one_of(st.binary(max_size=100), st.text("gzipbrdentyq=;,*.01 ", max_size=60).map(str.encode)))
def test_whatever_is_sent_there_is_an_encoding(value: bytes) -> None:
    found = acceptable(value)
    assert "identity" in found
    assert set(found) <= set(ENCODINGS)
    assert len(set(found)) == len(found)


@given(st.dictionaries(st.sampled_from(["gzip", "br", "identity", "deflate", "*"]), st.integers(0, 1000), max_size=5))
def test_weights_decide(weights: dict[str, int]) -> None:
    value = ", ".join(f"{coding};q={weight / 1000:.3f}" for coding, weight in weights.items()).encode()
    found = acceptable(value)
    for coding in ("gzip", "br"):
        weight = weights.get(coding, weights.get("*", 0))
        assert (coding in found) == (weight > 0)
    ranked = [coding for coding in found if coding != "identity"]
    assert ranked == sorted(ranked, key=lambda coding: -weights.get(coding, weights.get("*", 0)))
