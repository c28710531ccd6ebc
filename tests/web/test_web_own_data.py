"""What readers do with what is stored of them: pause, take it along, move, erase; and that looking changes nothing."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from members_setup import add, rows
from reader_site import ANN, Site, confirmed, reader_configuration

from syndicate.config import Settings
from syndicate.core.links import Purpose, sign
from syndicate.model import Keyring
from syndicate.store.confirmations import due
from syndicate.store.engine import Database


@pytest.fixture
def configuration(tmp_path: Path) -> Settings:
    return reader_configuration(tmp_path)


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(database, keyring, now, configuration)


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(sqlite_database, keyring, now, configuration)


def move_link(site: Site, change: int, valid: timedelta = timedelta(days=3)) -> str:
    return f"/address/{sign(site.keyring, Purpose.ADDRESS, change, expires_at=site.now + valid)}"


def test_a_pause_is_set_shown_and_ended(site: Site) -> None:
    link = site.link(Purpose.PREFERENCES, confirmed(site))
    day = (site.now + timedelta(days=10)).date()
    shown = site.client.post(link, data={"pause": day.isoformat(), "timezone": "Asia/Tokyo"})
    assert f'value="{day.isoformat()}"' in shown.text
    assert "You take a break until" in shown.text
    (until,) = rows(site.database, "SELECT paused_until FROM subscriptions")[0]
    assert str(until).startswith((day - timedelta(days=1)).isoformat())  # midnight in Tokyo
    for wrong in ("tomorrow", "2999-01-01", "0000-00-00"):
        assert site.client.post(link, data={"pause": wrong}).status_code == 400
    ended = site.client.post(link, data={"pause": ""})
    assert "You take a break until" not in ended.text
    assert rows(site.database, "SELECT paused_until FROM subscriptions") == [(None,)]


def test_my_data_without_the_address_in_full(site: Site) -> None:
    link = site.link(Purpose.PREFERENCES, confirmed(site, name="Ann"))
    answer = site.client.get(f"{link}/data.json")
    assert answer.headers["content-disposition"].startswith("attachment")
    document = json.loads(answer.text)
    assert document["email"] == "a***@example.org"
    assert ANN not in answer.text
    assert document["subscriptions"][0]["consent"][0]["event"] == "operator_confirmed"


def test_a_new_address_counts_once_it_is_confirmed(site: Site) -> None:
    number = confirmed(site)
    link = site.link(Purpose.PREFERENCES, number)
    wrong = site.client.post(f"{link}/address", data={"own": "other@example.org", "email": "new@example.net"})
    assert wrong.status_code == 400
    assert "not the address that the mail comes to" in wrong.text
    asked = site.client.post(f"{link}/address", data={"own": ANN.upper(), "email": "new@example.net"})
    assert "a mail with a link is on its way" in asked.text
    assert rows(site.database, "SELECT email FROM subscribers") == [(ANN,)]
    assert rows(site.database, "SELECT address_change_id FROM confirmations") == [(1,)]
    page = site.client.get(move_link(site, 1))
    assert "n***@example.net" in page.text
    assert "new@example.net" not in page.text
    for _ in range(2):
        done = site.client.post(move_link(site, 1))
        assert "The address is changed" in done.text
    assert rows(site.database, "SELECT email, email_key, domain FROM subscribers") == [
        ("new@example.net", "new@example.net", "example.net")
    ]
    assert site.client.get(link).status_code == 200  # the link in older mails goes on


def moved(site: Site, number: int, own: str, to: str) -> int:
    """Move by the links; returns the number of the way back."""
    link = site.link(Purpose.PREFERENCES, number)
    site.client.post(f"{link}/address", data={"own": own, "email": to})
    newest = "SELECT max(id) FROM address_changes WHERE reverts IS "
    ((change,),) = rows(site.database, f"{newest} NULL")
    assert "The address is changed" in site.client.post(move_link(site, change)).text
    ((back,),) = rows(site.database, f"{newest} NOT NULL")
    return int(back)


def address(site: Site) -> str:
    return str(rows(site.database, "SELECT email FROM subscribers")[0][0])


def test_the_old_address_is_told_and_can_take_it_back(site: Site) -> None:
    number = confirmed(site)
    back = moved(site, number, ANN, "new@example.net")
    with site.database.write() as session:
        mails = [mail for mail in due(session, site.now, 10) if mail.moved_to]
    assert [(mail.email, mail.moved_to, mail.address_change_id) for mail in mails] == [(ANN, "new@example.net", back)]
    moved(site, number, "new@example.net", "third@example.com")  # whoever took it over cannot shake it off
    link = move_link(site, back, timedelta(days=14))
    shown = site.client.get(link).text
    assert "t***@example.com" in shown
    assert address(site) == "third@example.com"
    for _ in range(2):
        assert "The address is changed" in site.client.post(link).text
        assert address(site) == ANN
    # Nobody is told of that, and the way back to the address in between is gone.
    assert rows(site.database, "SELECT count(*) FROM address_changes WHERE done_at IS NULL") == [(0,)]
    with site.database.write() as session:
        assert due(session, site.now, 10) == []
    events = [event for (event,) in rows(site.database, "SELECT event FROM consent_events ORDER BY id")]
    assert events == ["operator_confirmed", "address_changed", "address_changed", "address_changed"]


def test_a_way_back_does_not_take_what_is_somebody_elses_now(sqlite_site: Site) -> None:
    back = moved(sqlite_site, confirmed(sqlite_site), ANN, "new@example.net")
    add(sqlite_site.database, sqlite_site.keyring, ANN, sqlite_site.now)
    assert sqlite_site.client.post(move_link(sqlite_site, back)).status_code == 409


def test_asking_for_a_known_address_tells_nothing_and_takes_nothing(site: Site) -> None:
    link = site.link(Purpose.PREFERENCES, confirmed(site))
    add(site.database, site.keyring, "known@example.org", site.now)
    answers = [
        site.client.post(f"{link}/address", data={"own": ANN, "email": email}).text
        for email in ("known@example.org", "unknown@example.org")
    ]
    masked = [re.sub(r"\w+@example\.org", "", answer) for answer in answers]
    assert masked[0] == masked[1]
    site.client.post(f"{link}/address", data={"own": ANN, "email": "known@example.org"})
    assert site.client.post(move_link(site, 3)).status_code == 409
    assert rows(site.database, "SELECT count(*) FROM subscribers") == [(2,)]


def test_an_address_link_expires_and_serves_nothing_else(sqlite_site: Site) -> None:
    confirmed(sqlite_site)
    link = move_link(sqlite_site, 1)
    assert sqlite_site.client.get(link).status_code == 410  # nobody asked
    sqlite_site.now += timedelta(days=4)
    assert sqlite_site.client.get(link).status_code == 410
    token = link.rpartition("/")[2]
    for purpose in ("confirm", "preferences", "unsubscribe"):
        assert sqlite_site.client.get(f"/{purpose}/{token}").status_code == 404


def test_erasing_asks_for_the_address(site: Site) -> None:
    link = site.link(Purpose.PREFERENCES, confirmed(site))
    assert "Erase everything" in site.client.get(f"{link}/erase").text
    assert site.client.post(f"{link}/erase", data={"own": "x@example.org"}).status_code == 400
    assert rows(site.database, "SELECT count(*) FROM subscribers") == [(1,)]
    assert "Everything is erased" in site.client.post(f"{link}/erase", data={"own": ANN}).text
    assert rows(site.database, "SELECT count(*) FROM subscribers") == [(0,)]
    assert site.client.get(link).status_code == 410


def test_whoever_looks_at_every_page_twice_changes_nothing(site: Site) -> None:
    number = confirmed(site)
    link = site.link(Purpose.PREFERENCES, number)
    site.client.post(f"{link}/address", data={"own": ANN, "email": "new@example.net"})
    waiting = add(site.database, site.keyring, "two@example.org", site.now, confirmed=False, operator=False)
    assert waiting.subscription is not None
    links = [
        *(site.link(purpose, number) for purpose in (Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.PREFERENCES)),
        site.link(Purpose.CONFIRM, waiting.subscription.id),
        site.link(Purpose.UNSUBSCRIBE, waiting.subscription.id),
        *(f"{link}/{page}" for page in ("address", "erase", "data.json")),
        move_link(site, 1),
        *("/", "/subscribe", "/subscribe/sent", "/subscribe/token", "/subscribe/challenge", "/embed", "/privacy"),
        *("/feeds/", "/issues/", "/subscribe/embed.js", "/static/pages.js", "/static/pages.css"),
    ]
    before = site.everything()
    for _ in range(2):
        for address in links:
            for method in ("GET", "HEAD"):
                answer = site.client.request(method, address)
                assert answer.status_code == 200, address
                assert "set-cookie" not in answer.headers
                assert ANN not in answer.text, address
    assert site.everything() == before


@pytest.mark.parametrize(
    ("header", "tag", "way"),
    [("de-AT,en;q=0.5", "de", "ltr"), ("ar", "ar", "rtl"), ("", "en", "ltr"), ("xx;q=1", "en", "ltr")],
)
def test_pages_speak_the_browsers_language(sqlite_site: Site, header: str, tag: str, way: str) -> None:
    for path in ("/", "/privacy", "/feeds/", "/issues/", "/subscribe", "/nowhere"):
        answer = sqlite_site.client.get(path, headers={"accept-language": header})
        assert f'<html lang="{tag}" dir="{way}">' in answer.text, path


def test_the_privacy_page_says_what_is_done(
    sqlite_database: Any, keyring: Any, now: datetime, configuration: Any
) -> None:
    privacy = configuration.privacy.model_copy(update={"record_optin_ip": True, "count_feed_readers": False})
    kept = (
        Site(sqlite_database, keyring, now, configuration.model_copy(update={"privacy": privacy}))
        .client.get("/privacy")
        .text
    )
    usual = Site(sqlite_database, keyring, now, configuration).client.get("/privacy").text
    assert "shortened (IPv4 /24" in kept
    assert "Your network address is not stored" in usual
    assert "are not counted" in kept
    assert "Its link works for 3 days." in usual
    assert "kept for 730 days; the mails as they were sent for 365 days" in usual
