"""Whoever follows links changes nothing; altered, replayed and old tokens open nothing; no answer's work tells who is known."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members_setup import add, rows
from publisher import Publisher
from reader_site import ANN, Site, confirmed, reader_configuration
from sqlalchemy import event, text
from starlette.testclient import TestClient

from syndicate.config import Settings
from syndicate.core.addresses import hash_address
from syndicate.core.links import Purpose, sign
from syndicate.model import Keyring, SigningKey
from syndicate.service.wiring import utc_now
from syndicate.store.confirmations import due
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.suppressions import add as suppress
from syndicate.web.app import make_app

LANDING: int = 60_000  # bytes of the first page with all that it loads
READ_ONLY = ("GET", "HEAD", "OPTIONS")
VALID = timedelta(days=2)


@pytest.fixture
def configuration(tmp_path: Path) -> Settings:
    return reader_configuration(tmp_path)


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(sqlite_database, keyring, now, configuration)


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(database, keyring, now, configuration)


def table_contents(database: Database) -> dict[str, list[Any]]:
    names = [name for (name,) in rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: rows(database, f"SELECT * FROM {name}") for name in sorted(names)}  # noqa: S608 - our names


def test_a_scanner_follows_every_link_of_every_mail(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path, digest='topics = ["port"]').write()
    publisher.article("one", category="port", tags=["port"])
    publisher.run("poll")
    publisher.run("subscribers", "add", ANN, "--digest", "morning", "--confirmed")
    publisher.run("subscribers", "add", "new@example.org", "--digest", "morning")
    publisher.run("send", "morning")
    publisher.run("run", "--once")
    services = publisher.services(utc_now)
    client = TestClient(make_app(services), "https://news.courier.example", follow_redirects=True)
    links = set()
    mails = list((tmp_path / "outbox" / "new").iterdir())
    for place in mails:
        mail = message_from_bytes(place.read_bytes(), policy=policy.default)
        parts = [str(part.get_content()) for part in mail.walk() if part.get_content_maintype() == "text"]
        for found in (str(mail), *parts):
            links |= set(re.findall(r"https://news\.courier\.example(/[^\s\"'<>]*)", found))
    purposes = {link.split("/")[1] for link in links}
    assert len(mails) == 2
    assert {"confirm", "unsubscribe", "preferences"} <= purposes
    before = table_contents(services.database)
    for headers in ({}, {"purpose": "prefetch", "sec-purpose": "prefetch;prerender"}):
        for link in sorted(links):
            for method in READ_ONLY:
                answer = client.request(method, link, headers=headers)
                assert answer.status_code < 500, link
                assert "set-cookie" not in answer.headers
                for target in re.findall(r'(?:href|action|src)="(/[^"]+)"', answer.text):
                    client.request(method, target.replace("&amp;", "&"), headers=headers)
    assert table_contents(services.database) == before
    publisher.close()


def tokens(site: Site, keyring: Keyring) -> dict[str, tuple[str, str]]:
    """A link for each purpose that pages take, with what it must not be good for."""
    number = confirmed(site)
    waiting = add(site.database, site.keyring, "two@example.org", site.now, confirmed=False, operator=False)
    assert waiting.subscription is not None
    return {
        "confirm": ("confirm", sign(keyring, Purpose.CONFIRM, waiting.subscription.id, expires_at=site.now + VALID)),
        "unsubscribe": ("unsubscribe", sign(keyring, Purpose.UNSUBSCRIBE, number)),
        "preferences": ("preferences", sign(keyring, Purpose.PREFERENCES, number)),
        "address": ("address", sign(keyring, Purpose.ADDRESS, 1, expires_at=site.now + VALID)),
    }


def test_a_token_serves_its_own_purpose_only(sqlite_site: Site) -> None:
    made = tokens(sqlite_site, sqlite_site.keyring)
    before = sqlite_site.everything()
    for path, token in made.values():
        for other in ("confirm", "unsubscribe", "preferences", "address"):
            if other != path:
                for method in ("GET", "POST"):
                    answer = sqlite_site.client.request(method, f"/{other}/{token}")
                    assert answer.status_code == 404, (path, other)
    assert sqlite_site.everything() == before


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(data=st.data())
def test_an_altered_token_opens_nothing(sqlite_site: Site, data: st.DataObject) -> None:
    if not rows(sqlite_site.database, "SELECT id FROM subscribers"):
        tokens(sqlite_site, sqlite_site.keyring)
    purpose = data.draw(st.sampled_from([Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.PREFERENCES]))
    path = sqlite_site.link(purpose, 1)
    place = data.draw(st.integers(len(purpose) + 2, len(path) - 1))
    letter = data.draw(st.characters(codec="ascii", categories=("L", "N")).filter(lambda found: found != path[place]))
    before = sqlite_site.everything()
    altered = f"{path[:place]}{letter}{path[place + 1 :]}"
    for method in ("GET", "POST"):
        assert sqlite_site.client.request(method, altered).status_code == 404, altered
    assert sqlite_site.everything() == before


def test_older_keys_open_older_links_and_lost_keys_none(
    sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    site = Site(sqlite_database, keyring, now, configuration)
    older = replace(keyring, keys=keyring.keys[1:])
    made = tokens(site, older)
    for name in ("confirm", "unsubscribe", "preferences"):
        assert site.client.get("/".join(("", *made[name]))).status_code == 200, name
    lost = replace(keyring, keys=(SigningKey(id="k0", secret=b"a key that was thrown away, 32 b."),))
    for name, purpose in (("unsubscribe", Purpose.UNSUBSCRIBE), ("preferences", Purpose.PREFERENCES)):
        assert site.client.get(f"/{name}/{sign(lost, purpose, 1)}").status_code == 404


def test_confirm_links_end_and_unsubscribe_links_do_not(sqlite_site: Site) -> None:
    made = tokens(sqlite_site, sqlite_site.keyring)
    confirm, leave = ("/".join(("", *made[name])) for name in ("confirm", "unsubscribe"))
    sqlite_site.now += timedelta(days=3)
    for method in ("GET", "POST"):
        assert sqlite_site.client.request(method, confirm).status_code == 410
    sqlite_site.now += timedelta(days=20 * 365)
    assert sqlite_site.client.post(leave, data={"List-Unsubscribe": "One-Click"}).text == "unsubscribed\n"


def test_a_confirmation_sent_twice_changes_once(site: Site) -> None:
    made = tokens(site, site.keyring)
    link = "/".join(("", *made["confirm"]))
    assert site.client.post(link).status_code == 200
    once = site.everything()
    assert site.client.post(link).status_code == 200
    assert site.everything() == once


@pytest.mark.parametrize("multipart", [True, False])
def test_one_click_as_either_kind_of_form(site: Site, multipart: bool) -> None:
    link = site.link(Purpose.UNSUBSCRIBE, confirmed(site))
    fields = {"List-Unsubscribe": "One-Click"}
    sent = {"files": {name: (None, value) for name, value in fields.items()}} if multipart else {"data": fields}
    answer = site.client.post(link, **sent)
    assert (answer.status_code, answer.text) == (200, "unsubscribed\n")
    assert site.state() == "unsubscribed"


FIELDS = st.sampled_from(
    ["action", "email", "own", "frequency", "scope", "before", "topic", "pause", "timezone", "language", "name"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(form=st.dictionaries(FIELDS, st.text(st.characters(codec="utf-8"), max_size=80)), page=st.integers(0, 5))
def test_no_form_of_a_reader_breaks_it(sqlite_site: Site, form: dict[str, str], page: int) -> None:
    if not rows(sqlite_site.database, "SELECT id FROM subscribers WHERE email = :email", email=ANN):
        confirmed(sqlite_site)
    ((number,),) = rows(sqlite_site.database, "SELECT max(id) FROM subscriptions")
    preferences = sqlite_site.link(Purpose.PREFERENCES, number)
    paths = (
        preferences,
        f"{preferences}/address",
        f"{preferences}/erase",
        sqlite_site.link(Purpose.UNSUBSCRIBE, number),
        sqlite_site.link(Purpose.CONFIRM, number),
        f"/address/{form.get('name', 'x')[:20].encode().hex()}",
    )
    for sent in ({"data": form}, {"content": repr(form).encode(), "headers": {"content-type": "multipart/form-data"}}):
        answer = sqlite_site.client.post(paths[page], **sent)
        assert answer.status_code < 500


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """What SQLite is asked while this is open, by whatever way."""
    seen: list[str] = []

    def trace(connection: Any, *_: Any) -> None:
        connection.set_trace_callback(seen.append)

    event.listen(database.engine, "checkout", trace)
    try:
        yield seen
    finally:
        event.remove(database.engine, "checkout", trace)


def test_known_new_and_suppressed_addresses_cost_the_same_work(sqlite_site: Site) -> None:
    site = sqlite_site
    add(site.database, site.keyring, "known@example.org", site.now)
    with site.database.write() as session:
        value = hash_address("suppressed@example.org", site.keyring.hash_key)
        suppress(session, "address", value, SuppressionReason.COMPLAINT, now=site.now)
    stamp = re.search(r'name="stamp" value="([^"]+)"', site.client.get("/subscribe").text)
    assert stamp is not None
    site.now += timedelta(seconds=5)
    counts, sizes = {}, set()
    for who in ("warm", "new", "known", "suppressed"):
        with statements(site.database) as seen:
            form = {"email": f"{who}@example.org", "digest": "morning", "stamp": stamp[1]}
            answer = site.client.post("/subscribe", data=form, follow_redirects=False)
        assert answer.status_code == 303
        counts[who] = len(seen)
        sizes.add(answer.content)
    assert len(sizes) == 1
    assert counts["new"] > 5
    assert counts["new"] == counts["known"] == counts["suppressed"]


def test_asking_for_a_suppressed_new_address_costs_the_same_work(sqlite_site: Site) -> None:
    site = sqlite_site
    link = site.link(Purpose.PREFERENCES, confirmed(site))
    with site.database.write() as session:
        value = hash_address("suppressed@example.org", site.keyring.hash_key)
        suppress(session, "address", value, SuppressionReason.HARD, now=site.now)
    counts = {}
    for who in ("warm", "unknown", "suppressed"):
        with statements(site.database) as seen:
            site.client.post(f"{link}/address", data={"own": ANN, "email": f"{who}@example.org"})
        counts[who] = len(seen)
    assert counts["unknown"] == counts["suppressed"] > 5
    with site.database.write() as session:
        assert "suppressed@example.org" not in {mail.email for mail in due(session, site.now, 10)}


def test_a_bombed_address_gets_few_mails(site: Site) -> None:
    """A stranger sends the form a hundred times in a day, with each mail sent at once."""
    page = site.client.get("/subscribe").text
    stamp = re.search(r'name="stamp" value="([^"]+)"', page)
    assert stamp is not None
    for _ in range(100):
        site.now += timedelta(minutes=14)
        form = {"email": ANN, "digest": "morning", "name": "Win http://spam.example\r\nBcc: x@example.net"}
        answer = site.client.post("/subscribe", data=form | {"stamp": stamp[1]}, follow_redirects=False)
        assert answer.headers.get("location") == "/subscribe/sent"
        with site.database.write() as session:
            session.connection().execute(text("UPDATE confirmations SET state = 'accepted'"))
    assert rows(site.database, "SELECT count(*) FROM confirmations") == [(3,)]
    assert rows(site.database, "SELECT name FROM subscribers") == [("",)]


def test_the_first_page_is_small_with_everything(sqlite_site: Site) -> None:
    page = sqlite_site.client.get("/")
    loaded = set(re.findall(r'<(?:script|img)[^>]* src="([^"]+)"|<link rel="stylesheet" href="([^"]+)"', page.text))
    parts = [sqlite_site.client.get(first or second) for first, second in loaded]
    assert {part.status_code for part in parts} == {200}
    assert len(parts) >= 2  # style sheet and script
    assert sum(len(part.content) for part in (page, *parts)) < LANDING  # before any compression
