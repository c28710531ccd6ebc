"""CSV of subscribers: every fault belongs to one line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.publications import Digest
from syndicate.core.subscriber_lines import LineReader, SubscriberLine, read_header, records
from syndicate.errors import AddressError, UsageError
from syndicate.model import Frequency, SubscriptionState

DIGESTS = {
    "morning": Digest(frequencies=(Frequency.DAILY, Frequency.WEEKLY), topics=("Port", "Sport")),
    "weekend": Digest(frequencies=(Frequency.WEEKLY,)),
}


def read(data: bytes, digest: str | None = "morning") -> tuple[list[SubscriberLine], dict[int, str]]:
    found = records(io.BytesIO(data))
    reader = LineReader(read_header(next(found, None)), DIGESTS, digest)
    good, bad = [], {}
    for record in found:
        try:
            good.append(reader.read(record))
        except (AddressError, UsageError) as error:
            bad[record.number] = str(error)
    return good, bad


def test_all_columns() -> None:
    good, bad = read(
        b"Email,Name,digest,frequency,topics,timezone,language,state\r\n"
        b"Ann@example.org,Ann Brand,morning,Weekly,port; SPORT,Europe/London,pt_br,confirmed\r\n"
        b"bo@example.org,,,,,,,\r\n"
    )
    assert not bad
    ann, bo = good
    assert (ann.number, ann.address.key, ann.name, ann.digest) == (2, "ann@example.org", "Ann Brand", "morning")
    assert (ann.frequency, ann.topics) == (Frequency.WEEKLY, ("port", "sport"))
    assert (ann.timezone, ann.language, ann.state) == ("Europe/London", "pt-BR", SubscriptionState.CONFIRMED)
    assert (bo.name, bo.frequency, bo.topics, bo.timezone, bo.language, bo.state) == (None,) * 6


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfemail,name\nann@example.org,Ann\n",
        b"email;name\r\nann@example.org;Ann\r\n",
        b"email\tname\nann@example.org\tAnn",
        b'"email","name"\n"ann@example.org","Ann"\n',
        b"name,E-Mail\nAnn,ann@example.org\n",
        b"\n\nemail,name\n\n  \nann@example.org,Ann\n\n",
        b"email,name\nann@example.org ,  Ann \n",
    ],
)
def test_files_of_spreadsheets(data: bytes) -> None:
    good, bad = read(data)
    assert not bad
    assert [(line.address.key, line.name) for line in good] == [("ann@example.org", "Ann")]


def test_each_bad_line_is_named_and_the_others_are_read() -> None:
    good, bad = read(
        b"email,name,frequency,topics,timezone,language,state,digest\n"
        b"ann@example.org,Ann\n"
        b"nobody,x\n"
        b"bo@example.org,Bo,hourly\n"
        b"bo@example.org,Bo,,opera\n"
        b"bo@example.org,Bo,,,Mars/Base\n"
        b"bo@example.org,Bo,,,,?!\n"
        b"bo@example.org,Bo,,,,,NY\n"
        b"bo@example.org,Bo,,,,,,evening\n"
        b"bo@example.org,M\xfcller\n"
        b'bo@example.org,"Bo\n'
        b'bo@example.org,"Bo" Brand\n'
        b"cy@example.org,Cy\n"
    )
    assert [line.address.key for line in good] == ["ann@example.org", "cy@example.org"]
    assert sorted(bad) == list(range(3, 13))
    for number, words in {3: "no @", 4: "hourly", 5: "opera", 6: "Mars", 7: "language", 8: "NY", 9: "evening"}.items():
        assert words in bad[number]
    assert "0xFC" in bad[10]
    assert "quotation mark" in bad[11]


def test_a_column_of_others_may_hold_line_breaks() -> None:
    good, bad = read(b'email,notes,name\nann@example.org,"one\ntwo ""three""\nfour",Ann\nbo@example.org,x,Bo\n')
    assert not bad
    assert [(line.number, line.name) for line in good] == [(2, "Ann"), (5, "Bo")]


def test_an_open_quotation_mark_swallows_one_line_of_ten_thousand() -> None:
    lines = [f"reader{number}@example.org,Reader".encode() for number in range(10_000)]
    lines[5000] = b'reader@example.org,"Open'
    good, bad = read(b"email,name\n" + b"\n".join(lines))
    assert len(good) == 9_999
    assert list(bad) == [5002]


def test_which_digest_must_be_known() -> None:
    _, bad = read(b"email\nann@example.org\n", digest=None)
    assert "--digest" in bad[2]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"ann@example.org,Ann\n", "must name the columns"),
        (b"email,name,EMAIL\n", "twice"),
        ("email,name\n".encode("utf-16"), "UTF-16"),
        (b"email,n\xe4me\n", "not UTF-8"),
    ],
)
def test_unusable_headers(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read(data)


def test_unknown_columns_are_named() -> None:
    header = read_header(next(records([b"email,notes,,State of mind\n"])))
    assert header.unused == ("notes", "(column 3 has no name)", "State of mind")


_CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)


@given(st.lists(st.lists(_CELL, min_size=3, max_size=3), max_size=8))
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["email", "name", "notes"], *rows])
    found = list(records(io.BytesIO(out.getvalue().encode())))
    expected = [row for row in rows if (",".join(row)).strip()]
    assert [record.problem for record in found] == [None] * (len(expected) + 1)
    assert [list(record.fields) for record in found[1:]] == expected


@given(st.binary(max_size=400))
def test_any_bytes_give_records_or_one_error(data: bytes) -> None:
    try:
        found = list(records(io.BytesIO(b"email\n" + data)))
    except UsageError:
        return
    numbers = [record.number for record in found]
    assert numbers == sorted(set(numbers))
