"""Questions to a real DNS server: what was found, what is not there, and what nobody said."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from dns_server import DnsServer, Zone, txt

from syndicate.core.doctor.names import Answer, Kind, Question, exchanges
from syndicate.errors import UsageError
from syndicate.io.names import Resolver

LONG = "v=DKIM1; p=" + "A" * 700
ZONE: Zone = {
    "courier.example": {"TXT": [txt(LONG), ("one", "two")], "MX": ["20 b.courier.example.", "5 a.courier.example."]},
    "mail.courier.example": {"A": ["192.0.2.10"], "AAAA": ["2001:db8::10"]},
    "alias.courier.example": {"CNAME": ["mail.courier.example."]},
    "none.example": {"MX": ["0 ."]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["mail.courier.example."]},
    "odd.example": {"TXT": [('say "ah"; \\ \u00fc',)]},
}


def test_records_of_every_kind() -> None:
    with DnsServer(ZONE, cut=["courier.example"]) as server:
        resolver = Resolver(server.address)

        def ask(name: str, type_: str) -> Answer:
            return resolver.ask(Question(name, type_))

        assert set(ask("courier.example", "TXT").records) == {LONG, "onetwo"}
        assert exchanges(ask("courier.example", "MX")) == [(5, "a.courier.example"), (20, "b.courier.example")]
        assert exchanges(ask("none.example", "MX")) == [(0, "")]
        assert ask("mail.courier.example", "A").records == ("192.0.2.10",)
        assert ask("MAIL.courier.EXAMPLE", "AAAA").records == ("2001:db8::10",)
        assert ask("10.2.0.192.in-addr.arpa", "PTR").records == ("mail.courier.example",)
        assert ask("mail.courier.example", "MX") == Answer(Kind.EMPTY)
        assert ask("example", "MX") == Answer(Kind.EMPTY)
        assert ask("nowhere.test", "A") == Answer(Kind.NO_NAME)
        assert {by for _, _, by in server.asked} == {"udp", "tcp"}


def test_what_fails_is_no_statement_about_the_name() -> None:
    with DnsServer(ZONE, failing=["courier.example"], silent=["mail.courier.example"]) as server:
        resolver = Resolver(server.address, seconds=0.5)
        refused = resolver.ask(Question("courier.example", "TXT"))
        assert (refused.kind, refused.void, refused.failed) == (Kind.FAILED, False, True)
        assert "SERVFAIL" in refused.reason
        silent = resolver.ask(Question("mail.courier.example", "A"))
        assert silent.kind is Kind.FAILED
        assert "within 0.5 s" in silent.reason


def test_servers_that_say_nothing_at_all_are_not_asked_for_ever() -> None:
    names = [f"h{number}.courier.example" for number in range(20)]
    with DnsServer({}, silent=names) as server:
        resolver = Resolver(server.address, seconds=0.3)
        answers = [resolver.ask(Question(name, "A")) for name in names]
    assert {answer.kind for answer in answers} == {Kind.FAILED}
    assert len({name for name, _, _ in server.asked}) == 3


def test_one_answer_is_enough_to_go_on_asking() -> None:
    names = [f"h{number}.courier.example" for number in range(5)]
    with DnsServer(ZONE, silent=names) as server:
        resolver = Resolver(server.address, seconds=0.3)
        assert resolver.ask(Question("mail.courier.example", "A")).kind is Kind.FOUND
        for name in names:
            resolver.ask(Question(name, "A"))
        assert {name for name, _, _ in server.asked} == {"mail.courier.example", *names}


@pytest.mark.parametrize("name", ["a" * 64 + ".example", ".".join(["a" * 60] * 5), "a..example", "\udcff.example"])
def test_a_name_that_cannot_be_is_there_for_nobody(name: str) -> None:
    with DnsServer(ZONE) as server:
        assert Resolver(server.address).ask(Question(name, "A")).kind is Kind.NO_NAME


def test_a_question_is_asked_once_whoever_asks() -> None:
    with DnsServer(ZONE) as server:
        resolver = Resolver(server.address)
        start = threading.Barrier(8)

        def ask(_: int) -> Answer:
            start.wait(30)
            return resolver.ask(Question("mail.courier.example", "A"))

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(ask, range(8)))) == 1
        assert len(server.asked) == 1


@pytest.mark.parametrize("text", ["", "dns.example", "127.0.0.1:x", "127.0.0.1:0", "127.0.0.1:70000", "[::1:53"])
def test_name_servers_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="expected an address"):
        Resolver(text)


@pytest.mark.parametrize(
    "text", ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353", "[2001:db8::53]"]
)
def test_name_servers(text: str) -> None:
    Resolver(text)
