"""``[signup] check_mx``: who types a domain that takes no mail is told so, and nobody is refused for the DNS's sake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from dns_server import DnsServer
from members_setup import add, rows
from reader_site import Site, reader_configuration

from syndicate.core.addresses import hash_address
from syndicate.model import Keyring
from syndicate.service.mail_domains import AT_ONCE, MailDomains
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.suppressions import add as suppress

ZONE = {
    "mail.example": {"MX": ["10 mx.mail.example."]},
    "xn--mnchen-3ya.example": {"MX": ["10 mx.mail.example."]},
    "implicit.example": {"A": ["192.0.2.1"]},
    "six.example": {"AAAA": ["2001:db8::1"]},
    "null.example": {"MX": ["0 ."]},
    "web.example": {"TXT": ["no mail here"]},
}


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer(ZONE, failing=["failing.example"], silent=["silent.example"]) as server:
        yield server


def make(database: Database, keyring: Keyring, now: datetime, folder: Path, dns: DnsServer, *, on: bool = True) -> Site:
    found = reader_configuration(folder)
    site = Site(
        database, keyring, now, found.model_copy(update={"signup": found.signup.model_copy(update={"check_mx": on})})
    )
    site.services.mail_domains = MailDomains(dns.address)
    return site


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, tmp_path: Path, dns: DnsServer) -> Site:
    return make(database, keyring, now, tmp_path, dns)


def send(site: Site, email: str, **headers: str) -> Any:
    mark = site.client.get("/subscribe/token").json()["stamp"]
    site.now += timedelta(seconds=5)
    values = {"email": email, "digest": "morning", "stamp": mark, "speak": "en", "form": "subscribe"}
    return site.client.post("/subscribe", data=values, headers=headers, follow_redirects=False)


@pytest.mark.parametrize(
    "domain", ["mail.example", "MAIL.example", "münchen.example", "implicit.example", "six.example"]
)
def test_domains_with_an_exchanger_or_an_address_are_taken(site: Site, domain: str) -> None:
    assert send(site, f"ann@{domain}").status_code == 303
    assert rows(site.database, "SELECT count(*) FROM confirmations") == [(1,)]


@pytest.mark.parametrize("domain", ["null.example", "web.example", "nowhere.example"])
def test_domains_that_take_no_mail_are_told(site: Site, domain: str) -> None:
    answer = send(site, f"ann@{domain}")
    assert answer.status_code == 400
    assert "no e-mail address that mail can be sent to" in answer.text
    assert send(site, f"ann@{domain}", accept="application/json").json()["state"] == "problem"
    assert rows(site.database, "SELECT count(*) FROM subscribers") == [(0,)]


@pytest.mark.parametrize("domain", ["failing.example", "silent.example"])
def test_a_dns_that_fails_refuses_nobody(site: Site, domain: str) -> None:
    assert send(site, f"ann@{domain}").status_code == 303


def test_known_new_and_suppressed_addresses_of_a_dead_domain_get_the_same_answer(site: Site) -> None:
    add(site.database, site.keyring, "known@null.example", site.now)
    with site.database.write() as session:
        value = hash_address("suppressed@null.example", site.keyring.hash_key)
        suppress(session, "address", value, SuppressionReason.COMPLAINT, now=site.now)
    answers = [send(site, f"{who}@null.example", accept="application/json") for who in ("known", "new", "suppressed")]
    assert {(answer.status_code, answer.json()["state"], answer.json()["message"]) for answer in answers} == {
        (400, "problem", "This is no e-mail address that mail can be sent to.")
    }


def test_nothing_is_asked_unless_it_is_switched_on(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, dns: DnsServer
) -> None:
    site = make(sqlite_database, keyring, now, tmp_path, dns, on=False)
    assert send(site, "ann@null.example").status_code == 303
    assert dns.asked == []


def test_a_domain_is_asked_for_once(dns: DnsServer) -> None:
    domains = MailDomains(dns.address)
    assert [domains.takes_no_mail("null.example") for _ in range(5)] == [True] * 5
    assert dns.asked == [("null.example", "MX", "udp")]


def test_a_silent_dns_holds_up_a_bounded_number_of_forms() -> None:
    names = [f"d{number}.example" for number in range(AT_ONCE + 1)]
    with DnsServer({"d.example": {}}, silent=names) as dns:
        domains = MailDomains(dns.address)
        waiting = [Thread(target=domains.takes_no_mail, args=(name,)) for name in names[:AT_ONCE]]
        for thread in waiting:
            thread.start()
        deadline = time.monotonic() + 20
        while len({name for name, _, _ in dns.asked}) < AT_ONCE and time.monotonic() < deadline:
            time.sleep(0.01)
        assert domains.takes_no_mail(names[-1]) is False
        assert names[-1] not in {name for name, _, _ in dns.asked}  # it did not even ask
        for thread in waiting:
            thread.join(30)
