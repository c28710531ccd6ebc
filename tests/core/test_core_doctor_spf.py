"""SPF by RFC 7208: the record's grammar, its macros, and evaluation for one address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.doctor.names import Answer, Kind, Question, answered
from syndicate.core.doctor.spf import Evaluation, Result, evaluate
from syndicate.core.doctor.spf_macros import Mailing, expand
from syndicate.core.doctor.spf_record import SpfSyntaxError, is_spf, read_spf
from syndicate.core.doctor.spf_survey import Survey, survey

HERE = ip_address("192.0.2.10")
MAILING = Mailing(HERE, "strong-bad@email.example.com", "mail.example.com")


def asked(zone: Mapping[tuple[str, str], list[str]], failing: set[str] | None = None) -> Callable[[Question], Answer]:
    """What answers from a zone: names by type."""

    def ask(question: Question) -> Answer:
        if question.name in (failing or set()):
            return Answer(Kind.FAILED, reason="SERVFAIL")
        records = zone.get((question.name, question.type))
        if records:
            return Answer(Kind.FOUND, tuple(records))
        return Answer(Kind.EMPTY if any(name == question.name for name, _ in zone) else Kind.NO_NAME)

    return ask


def result(record: str, others: Mapping[tuple[str, str], list[str]] | None = None, **given: str) -> Evaluation:
    zone = {("example.com", "TXT"): [record], **(others or {})}
    mailing = Mailing(ip_address(given.get("ip", str(HERE))), "a@example.com", "mail.example.com")
    return answered(evaluate("example.com", mailing), asked(zone))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1", Result.NEUTRAL),
        ("v=spf1 -all", Result.FAIL),
        ("v=spf1 ~all", Result.SOFTFAIL),
        ("v=spf1 ?all", Result.NEUTRAL),
        ("v=spf1 +all", Result.PASS),
        ("v=spf1 ip4:192.0.2.10 -all", Result.PASS),
        ("v=spf1 ip4:192.0.2.0/28 -all", Result.PASS),
        ("v=spf1 ip4:192.0.2.16/28 -all", Result.FAIL),
        ("v=spf1 -ip4:192.0.2.10 +all", Result.FAIL),
        ("v=spf1 IP4:192.0.2.10 -ALL", Result.PASS),
        ("V=SPF1 a -all", Result.FAIL),
        ("v=spf1 a:host.example.com -all", Result.PASS),
        ("v=spf1 a:host.example.com/24 -all", Result.PASS),
        ("v=spf1 a:other.example.com/24 -all", Result.PASS),
        ("v=spf1 a:other.example.com -all", Result.FAIL),
        ("v=spf1 mx -all", Result.PASS),
        ("v=spf1 include:inner.example.com -all", Result.PASS),
        ("v=spf1 include:refusing.example.com ~all", Result.SOFTFAIL),
        ("v=spf1 redirect=inner.example.com", Result.PASS),
        ("v=spf1 redirect=nowhere.example.com", Result.PERMERROR),
        ("v=spf1 include:nowhere.example.com ~all", Result.PERMERROR),
        ("v=spf1 ip4:192.0.2.10 include:nowhere.example.com -all", Result.PASS),
        ("v=spf1 ptr -all", Result.PASS),
        ("v=spf1 ptr:elsewhere.example -all", Result.FAIL),
        ("v=spf1 exists:%{ir}.list.example.com -all", Result.PASS),
        ("v=spf1 exists:%{i}.list.example.com -all", Result.FAIL),
        ("v=spf1 moo -all", Result.PERMERROR),
        ("v=spf1 unknown=modifier -all", Result.FAIL),
        ("v=spf1 a:one.gone.example a:two.gone.example a:three.gone.example +all", Result.PERMERROR),
        ("v=spf1 a:one.gone.example a:two.gone.example +all", Result.PASS),
        ("v=spf1 include:example.com -all", Result.PERMERROR),
    ],
)
def test_results(record: str, expected: Result) -> None:
    zone = {
        ("host.example.com", "A"): ["192.0.2.10"],
        ("other.example.com", "A"): ["192.0.2.99"],
        ("mail.example.com", "A"): ["192.0.2.10"],
        ("example.com", "MX"): ["10 other.example.com", "20 mail.example.com"],
        ("inner.example.com", "TXT"): ["v=spf1 ip4:192.0.2.10 -all"],
        ("refusing.example.com", "TXT"): ["v=spf1 -all"],
        ("10.2.0.192.in-addr.arpa", "PTR"): ["mail.example.com"],
        ("10.2.0.192.list.example.com", "A"): ["127.0.0.2"],
    }
    assert result(record, zone).result is expected


def test_addresses_of_version_6() -> None:
    zone = {("host.example.com", "AAAA"): ["2001:db8::1"], ("host.example.com", "A"): ["192.0.2.10"]}
    assert result("v=spf1 ip6:2001:db8::/32 -all", ip="2001:db8::5").result is Result.PASS
    assert result("v=spf1 ip4:192.0.2.0/24 -all", ip="2001:db8::5").result is Result.FAIL
    assert result("v=spf1 a:host.example.com -all", zone, ip="2001:db8::1").result is Result.PASS
    assert result("v=spf1 a:host.example.com//64 -all", zone, ip="2001:db8::77").result is Result.PASS
    assert result("v=spf1 a:host.example.com/0 -all", zone, ip="2001:db8::77").result is Result.FAIL


@pytest.mark.parametrize(("number", "expected"), [(10, Result.PASS), (11, Result.PERMERROR)])
def test_ten_look_ups_and_not_one_more(number: int, expected: Result) -> None:
    zone = {(f"h{each}.example.com", "A"): ["192.0.2.77"] for each in range(number)}
    record = "v=spf1 " + " ".join(f"a:h{each}.example.com" for each in range(number)) + " ip4:192.0.2.10 -all"
    assert result(record, zone).result is expected


def test_what_nobody_answers_is_temporary() -> None:
    zone = {("example.com", "TXT"): ["v=spf1 a:slow.example.com -all"]}
    found = answered(evaluate("example.com", MAILING), asked(zone, {"slow.example.com"}))
    assert found.result is Result.TEMPERROR
    assert "SERVFAIL" in found.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # RFC 7208 7.4
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("a%%b%_c%-d.example", "a%b c%20d.example"),
    ],
)
def test_macros(text: str, expected: str) -> None:
    mailing = Mailing(IPv4Address("192.0.2.3"), "strong-bad@email.example.com", "mail.example.com")
    assert expand(text, "email.example.com", mailing) == expected


def test_macros_of_version_6_and_of_nobody() -> None:
    there = Mailing(IPv6Address("2001:db8::cb01"), "strong-bad@email.example.com", "mail.example.com")
    expected = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
    assert expand("%{ir}.%{v}._spf.%{d2}", "email.example.com", there) == expected
    assert expand("%{i}.example", "example.com", Mailing(None, "a@b.example", "b.example")) is None


def test_a_name_that_grows_too_long_is_cut_from_the_left() -> None:
    name = expand("%{d}.%{d}.%{d}", ".".join(["a" * 40] * 3), MAILING)
    assert name is not None
    assert len(name) <= 253
    assert name.endswith("a" * 40)


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 all:x",
        "v=spf1 ip4",
        "v=spf1 ip4:",
        "v=spf1 ip4:192.0.2.10/33",
        "v=spf1 ip4:192.0.2.0/255.255.255.0",
        "v=spf1 ip4:2001:db8::1",
        "v=spf1 ip6:192.0.2.1",
        "v=spf1 ip4:192.0.2",
        "v=spf1 include",
        "v=spf1 include:",
        "v=spf1 include:localhost",
        "v=spf1 exists:%{i",
        "v=spf1 exists:%{c}.example.com",
        "v=spf1 exists:%{d0}.example.com",
        "v=spf1 a/33",
        "v=spf1 a//129",
        "v=spf1 a:",
        "v=spf1 ptr:",
        "v=spf1 redirect=a.example redirect=b.example",
        "v=spf1 redirect=",
        "v=spf1 -",
        "v=spf1 !all",
        "v=spf1 ìp4:192.0.2.1",
    ],
)
def test_records_that_nobody_can_read(record: str) -> None:
    with pytest.raises(SpfSyntaxError) as caught:
        read_spf(record)
    assert str(caught.value)


@pytest.mark.parametrize(("text", "is_one"), [("v=spf1", True), ("v=spf1 a", True), ("v=spf10 a", False), ("v=spf2.0", False), ("V=SpF1 ", True), ("spf1", False)])  # fmt: skip
def test_what_is_an_spf_record(text: str, is_one: bool) -> None:
    assert is_spf(text) is is_one


_terms = st.sampled_from(
    [
        "a",
        "mx",
        "ptr",
        "a/24",
        "mx:m.example//64",
        "a:h.example/28",
        "ip4:192.0.2.0/24",
        "ip6:2001:db8::/32",
        "all",
        "include:i.example",
        "exists:%{ir}.e.example",
        "ptr:p.example",
        "include:%{d2}",
    ]
)
_records = st.lists(st.tuples(st.sampled_from(["", "+", "-", "~", "?"]), _terms), max_size=12)


@given(_records, st.integers(1, 3))
def test_every_record_of_the_grammar_is_read_term_by_term(terms: list[tuple[str, str]], spaces: int) -> None:
    record = "v=spf1" + "".join(" " * spaces + qualifier + term for qualifier, term in terms)
    assert is_spf(record)
    read = read_spf(record)
    assert [(term.qualifier, term.text.lstrip("+-~?")) for term in read.terms] == [
        (qualifier or "+", term) for qualifier, term in terms
    ]


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(SpfSyntaxError):  # and nothing else
        read_spf("v=spf1 " + text)


_names = st.sampled_from(["example.com", "i.example", "h.example", "m.example", "p.example"])
_zones = st.dictionaries(
    st.tuples(_names, st.just("TXT")),
    _records.map(lambda terms: ["v=spf1 " + " ".join(qualifier + term for qualifier, term in terms)]),
)


@given(_zones, st.sampled_from(["192.0.2.10", "198.51.100.9", "2001:db8::1"]))
def test_evaluation_ends_and_agrees_with_the_survey(zone: dict[tuple[str, str], list[str]], ip: str) -> None:
    mailing = Mailing(ip_address(ip), "a@example.com", "mail.example.com")
    questions: list[Question] = []
    ask = asked(zone)

    def counted(question: Question) -> Answer:
        questions.append(question)
        return ask(question)

    found = answered(evaluate("example.com", mailing), counted)
    assert len(questions) <= 1 + 10 * 11
    whole: Survey = answered(survey("example.com", mailing), asked(zone))
    # Whatever stops one evaluation for ever, the survey of the whole has found as well.
    if found.result is Result.PERMERROR:
        assert whole.faults or whole.lookups > 10 or len(whole.voids) > 0 or "find nothing" in found.why
    if not whole.texts:
        assert found.result is Result.NONE
