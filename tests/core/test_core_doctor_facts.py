"""What ``doctor`` makes of facts about this machine, its database, its sources and its address."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syndicate.core.doctor.certificate import Certificate
from syndicate.core.doctor.database import DatabaseFacts, judge_database
from syndicate.core.doctor.finding import Finding, Group, Judge, Verdict, counts, document
from syndicate.core.doctor.machine import ClockFacts, FileFacts, Holds, judge_clock, judge_files
from syndicate.core.doctor.public_address import OneClick, PublicFacts, judge_public
from syndicate.core.doctor.relay import RelayFacts, judge_relay
from syndicate.core.doctor.sources import SourceFacts, judge_sources

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def bad(findings: list[Finding]) -> dict[str, Verdict]:
    return {each.code: each.verdict for each in findings if each.verdict not in {Verdict.GOOD, Verdict.NOTE}}


SOUND = DatabaseFacts(label="db", schema="0012", newest="0012", damage=(), free=10**12, least_free=10**9)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"missing": True}, {}),
        ({"error": "refused"}, {"database.unusable": Verdict.ERROR}),
        ({"schema": "0011"}, {"database.older": Verdict.WARNING}),
        ({"schema": None}, {}),
        ({"schema": "9999", "known_schema": False}, {"database.newer": Verdict.ERROR}),
        ({"damage": ("row 5 missing from index", "…")}, {"database.damaged": Verdict.ERROR}),
        ({"damage": None, "looked_through": False}, {}),
        ({"free": 10**8}, {"database.full": Verdict.ERROR}),
        ({"free": 15 * 10**8}, {"database.nearly_full": Verdict.WARNING}),
        ({"unsafe": ("fsync = off",)}, {"database.unsafe": Verdict.ERROR}),
    ],
)
def test_database(change: dict[str, object], expected: dict[str, Verdict]) -> None:
    assert bad(judge_database(replace(SOUND, **change))) == expected  # type: ignore[arg-type]


READ = SourceFacts(name="stories", found=3, interval=timedelta(minutes=5), polled_at=NOW - timedelta(minutes=3))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"pushed": True}, {}),
        ({"error": "there is no table 'news'"}, {"sources.unreadable": Verdict.ERROR}),
        ({"found": 0}, {"sources.empty": Verdict.WARNING}),
        ({"broken": (("a.md", "no title"),)}, {"sources.broken": Verdict.WARNING}),
        ({"polled_at": None}, {}),
        ({"polled_at": NOW - timedelta(hours=1)}, {"sources.late": Verdict.WARNING}),
        ({"last_error": "timed out"}, {"sources.failed": Verdict.WARNING}),
    ],
)
def test_sources(change: dict[str, object], expected: dict[str, Verdict]) -> None:
    assert bad(judge_sources([replace(READ, **change)], NOW)) == expected  # type: ignore[arg-type]


def test_no_source_at_all() -> None:
    assert bad(judge_sources([], NOW)) == {"sources.none": Verdict.WARNING}


@pytest.mark.parametrize(
    ("holds", "mode", "usable", "expected"),
    [
        (Holds.KEYS, 0o600, True, {}),
        (Holds.KEYS, 0o400, True, {}),
        (Holds.KEYS, 0o640, True, {"files.group": Verdict.WARNING}),
        (Holds.KEYS, 0o644, True, {"files.public": Verdict.ERROR}),
        (Holds.SECRET, 0o640, True, {}),
        (Holds.SECRET, 0o604, True, {"files.public": Verdict.ERROR}),
        (Holds.READERS, 0o660, True, {}),
        (Holds.READERS, 0o666, True, {"files.public": Verdict.ERROR}),
        (Holds.SECRET, 0o600, False, {"files.unreadable": Verdict.ERROR}),
    ],
)
def test_files(holds: Holds, mode: int, usable: bool, expected: dict[str, Verdict]) -> None:
    assert bad(judge_files([FileFacts("x", holds, mode, usable)])) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, {}),
        (-16, {}),
        (17, {"clock.off": Verdict.WARNING}),
        (-200, {"clock.off": Verdict.WARNING}),
        (400, {"clock.wrong": Verdict.ERROR}),
    ],
)
def test_clock(seconds: int, expected: dict[str, Verdict]) -> None:
    facts = ClockFacts("the server", timedelta(seconds=seconds), timedelta(seconds=2))
    assert bad(judge_clock([facts])) == expected


def test_a_clock_that_is_behind_is_said_to_be_behind() -> None:
    ahead, behind = (ClockFacts("db", timedelta(hours=hours), timedelta()) for hours in (1, -1))
    assert "our clock is 3600 s behind" in judge_clock([ahead])[0].message
    assert "our clock is 3600 s ahead of" in judge_clock([behind])[0].message


WORKS = OneClick(get_status=200, heard_after_reading=False, post_status=200, heard_after_post=True)
HERE = PublicFacts(
    url="https://news.courier.example",
    local=False,
    serious=True,
    certificate=Certificate(("news.courier.example",), "Harbour CA", NOW + timedelta(days=60)),
    one_click=WORKS,
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"url": "http://news.courier.example"}, {"public.no_https": Verdict.ERROR}),
        ({"url": "http://news.courier.example", "serious": False}, {"public.no_https": Verdict.WARNING}),
        ({"url": "http://127.0.0.1:8000", "local": True}, {"public.local": Verdict.ERROR}),
        ({"url": "http://127.0.0.1:8000", "local": True, "serious": False}, {}),
        ({"error": "refused"}, {"public.silent": Verdict.ERROR}),
        ({"error": "refused", "serious": False}, {}),
        ({"certificate": Certificate((), "", NOW + timedelta(days=5))}, {"public.certificate_ends": Verdict.WARNING}),
        ({"one_click": replace(WORKS, heard_after_reading=True)}, {"public.get_acts": Verdict.ERROR}),
        ({"one_click": replace(WORKS, get_status=404)}, {"public.get": Verdict.ERROR}),
        ({"one_click": replace(WORKS, post_status=302)}, {"public.post": Verdict.ERROR}),
        ({"one_click": replace(WORKS, post_status=403)}, {"public.post": Verdict.ERROR}),
        ({"one_click": replace(WORKS, heard_after_post=False)}, {"public.post_lost": Verdict.ERROR}),
        ({"one_click": None, "untried": "no keys yet"}, {}),
    ],
)
def test_public_address(change: dict[str, object], expected: dict[str, Verdict]) -> None:
    assert bad(judge_public(replace(HERE, **change), NOW)) == expected  # type: ignore[arg-type]


RELAY = RelayFacts(
    label="relay",
    version="TLSv1.3",
    certificate=Certificate(("relay.example",), "CA", NOW + timedelta(days=90)),
    offers={"PIPELINING": "", "SIZE": "33554432", "8BITMIME": "", "SMTPUTF8": ""},
    sender="bounces@courier.example",
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"error": "relay relay: no connection; check host"}, {"relay.failed": Verdict.ERROR}),
        ({"version": None, "certificate": None}, {"relay.clear": Verdict.WARNING}),
        ({"version": None, "certificate": None, "local": True}, {}),
        ({"unverified": True}, {"relay.unverified": Verdict.WARNING}),
        ({"offers": {"SIZE": "100000"}}, {"relay.size": Verdict.WARNING}),
        ({"offers": {"SIZE": "0"}}, {}),
        ({"refused_sender": "553 not yours"}, {"relay.sender": Verdict.ERROR}),
        ({"certificate": Certificate((), "", NOW - timedelta(days=1))}, {"relay.certificate_ends": Verdict.WARNING}),
    ],
)
def test_relay(change: dict[str, object], expected: dict[str, Verdict]) -> None:
    assert bad(judge_relay(replace(RELAY, **change), NOW)) == expected  # type: ignore[arg-type]


def test_what_failed_and_what_to_do_are_told_apart() -> None:
    (finding,) = judge_relay(RelayFacts(label="r:25", error="relay r:25: no connection; check the port; or not"), NOW)
    assert (finding.message, finding.todo) == ("no connection", "check the port; or not")


def test_the_document_says_what_must_be_mended_and_what_was_not_answered() -> None:
    judge = Judge(Group.SPF, "courier.example")
    findings = [judge.good("a", "x"), judge.warning("b", "y", "do"), judge.unasked("c", "z")]
    assert counts(findings) == {"good": 1, "note": 0, "warning": 1, "error": 0, "unasked": 1}
    told = document(findings)
    assert (told["ok"], told["complete"]) == (True, False)
    assert document([*findings, judge.error("d", "w")])["ok"] is False
    assert told["findings"][1] == {
        "group": "spf", "code": "b", "verdict": "warning", "thing": "courier.example", "message": "y", "todo": "do",
    }  # fmt: skip
