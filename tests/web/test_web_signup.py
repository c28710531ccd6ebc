"""The form for new readers: what it stores, what keeps machines out, and that no answer tells who is known."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members_setup import add, rows
from reader_site import ANN, Site, reader_configuration
from sqlalchemy import text

from syndicate.config import Settings
from syndicate.core.addresses import hash_address
from syndicate.core.links import Purpose, sign
from syndicate.model import Keyring, Rate
from syndicate.pipeline.members.describing import person_document
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason
from syndicate.store.suppressions import add as suppress


def make(database: Database, keyring: Keyring, now: datetime, found: Settings, **sections: dict[str, Any]) -> Site:
    changed = {name: getattr(found, name).model_copy(update=values) for name, values in sections.items()}
    return Site(database, keyring, now, found.model_copy(update=changed))


@pytest.fixture
def configuration(tmp_path: Path) -> Settings:
    return reader_configuration(tmp_path)


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(database, keyring, now, configuration)


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(sqlite_database, keyring, now, configuration)


def stamp(site: Site) -> str:
    found = re.search(r'name="stamp" value="([^"]+)"', site.client.get("/subscribe?digest=morning").text)
    assert found is not None
    return found[1]


def send(site: Site, email: Any = ANN, *, waits: Any = 5, host: Any = "198.51.100.7", **form: Any) -> Any:
    """Fill in and send the form, as somebody does who takes some seconds for it."""
    mark = stamp(site)
    site.now += timedelta(seconds=waits)
    values = {"email": email, "digest": "morning", "stamp": mark, "speak": "en", "form": "subscribe"} | form
    return site.client.post("/subscribe", data=values, headers={"x-forwarded-for": host}, follow_redirects=False)


def taken(answer: Any) -> bool:
    return (answer.status_code, answer.headers.get("location")) == (303, "/subscribe/sent")


def test_a_form_is_stored_with_its_proof(
    database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    site = make(
        database,
        keyring,
        now,
        configuration,
        privacy={"record_optin_ip": True},
        service={"trusted_proxies": ("testclient",)},
    )
    chosen = {"scope": "some", "topic": ["Port", "Town"], "frequency": "weekly", "timezone": "Asia/Tokyo"}
    assert taken(send(site, name="Ann", language="de", **chosen))
    assert "check your mail" in site.client.get("/subscribe/sent").text
    assert site.state() == "unconfirmed"
    assert rows(database, "SELECT frequency, topics FROM subscriptions") == [("weekly", '{"port":0,"town":0}')]
    assert rows(database, "SELECT name, language, timezone FROM subscribers") == [("Ann", "de", "Asia/Tokyo")]
    site.client.post(site.link(Purpose.CONFIRM, 1), headers={"x-forwarded-for": "2001:db8:1:2::3"})
    first, second = person_document(database, keyring, ANN)["subscriptions"][0]["consent"]
    wording = first.pop("wording")
    assert wording.startswith("I would like to get this by e-mail.")
    assert first["wording_sha256"] == hashlib.sha256(wording.encode()).hexdigest()
    assert (first["event"], first["via"], first["form"]) == ("subscribe", "page", "subscribe")
    assert (first["network"], second["network"]) == ("198.51.100.0/24", "2001:db8:1::/48")
    assert first["at"] == site.now
    assert second["event"] == "confirm"


def test_the_network_is_not_kept_unless_it_is_wanted(sqlite_site: Site) -> None:
    assert taken(send(sqlite_site))
    assert "network" not in str(rows(sqlite_site.database, "SELECT detail FROM consent_events"))


def test_known_new_suppressed_and_often_typed_addresses_get_the_same_answer(site: Site) -> None:
    add(site.database, site.keyring, "known@example.org", site.now)
    with site.database.write() as session:
        value = hash_address("suppressed@example.org", site.keyring.hash_key)
        suppress(session, "address", value, SuppressionReason.COMPLAINT, now=site.now)
    answers = [send(site, f"{who}@example.org") for who in ("known", "new", "suppressed")]
    answers += [send(site, "often@example.org", waits=2) for _ in range(8)]
    told = {
        (answer.status_code, answer.headers["location"], answer.content, tuple(sorted(answer.headers)))
        for answer in answers
    }
    assert len(told) == 1
    assert rows(site.database, "SELECT count(*) FROM confirmations") == [(2,)]  # new and often, once each
    changed = rows(site.database, "SELECT count(*) FROM subscribers WHERE email LIKE 'suppressed%'")
    assert changed == [(0,)]


def test_every_use_writes_so_that_time_tells_nothing(sqlite_site: Site) -> None:
    add(sqlite_site.database, sqlite_site.keyring, ANN, sqlite_site.now)
    for email in (ANN, "new@example.org"):
        before = rows(sqlite_site.database, "SELECT * FROM form_limits ORDER BY key")
        assert taken(send(sqlite_site, email))
        assert rows(sqlite_site.database, "SELECT * FROM form_limits ORDER BY key") != before


def test_a_machine_is_not_taken(sqlite_site: Site) -> None:
    before = sqlite_site.everything()
    assert taken(send(sqlite_site, website="https://spam.example"))  # and nothing is stored
    for answer in (
        send(sqlite_site, waits=1),
        send(sqlite_site, stamp=""),
        send(sqlite_site, stamp="x.y"),
        send(sqlite_site, waits=90_000),
        send(sqlite_site, stamp=sign(sqlite_site.keyring, Purpose.PREFERENCES, 1)),
    ):
        assert answer.status_code == 200
        assert "press the button once more" in answer.text
        assert f'value="{ANN}"' in answer.text  # nothing has to be typed again
    assert sqlite_site.everything() == before


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"email": "no address"}, "no e-mail address"),
        ({"email": ""}, "no e-mail address"),
        ({"frequency": "hourly"}, "cannot be chosen"),
        ({"digest": "unknown"}, "cannot be chosen"),
        ({"scope": "some"}, "Choose at least one topic"),
        ({"timezone": "Mars/Base"}, "cannot be chosen"),
    ],
)
def test_what_cannot_be_stored_is_said(sqlite_site: Site, form: dict[str, str], words: str) -> None:
    before = sqlite_site.everything()
    answer = send(sqlite_site, **form)
    assert answer.status_code == 400
    assert words in answer.text
    assert sqlite_site.everything() == before


def test_a_name_carries_no_link_and_no_line_break(sqlite_site: Site) -> None:
    assert taken(send(sqlite_site, name="Win at http://spam.example/ now"))
    assert taken(send(sqlite_site, "two@example.org", name="Ann\r\nBcc: victim"))
    assert rows(sqlite_site.database, "SELECT name FROM subscribers ORDER BY id") == [("",), ("Ann Bcc: victim",)]


def test_limits_outlive_a_restart(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> None:
    hour = timedelta(hours=1)
    rates = {"network_rate": Rate(3, hour), "domain_rate": Rate(5, hour)}
    trusted = {"trusted_proxies": ("testclient",)}
    site = make(database, keyring, now, configuration, signup=rates, service=trusted)
    for place in range(3):
        assert taken(send(site, f"reader{place}@example.org"))
    site = make(database, keyring, site.now, configuration, signup=rates, service=trusted)
    assert send(site, "reader4@example.org").status_code == 429
    assert send(site, "reader4@example.org", host="198.51.100.200").status_code == 429  # the same /24
    for place in (5, 6):
        assert taken(send(site, f"reader{place}@example.org", host="203.0.113.9"))
    refused = send(site, "reader7@example.org", host="192.0.2.4")  # the domain has had its five
    assert refused.status_code == 429
    assert "Too many have signed up" in refused.text
    assert taken(send(site, "reader7@other.example", host="192.0.2.4"))
    site.now += hour
    assert taken(send(site, "reader8@example.org"))
    assert "example" not in str(rows(database, "SELECT key FROM form_limits"))


def test_mails_a_day_are_bounded(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> None:
    site = make(database, keyring, now, configuration, signup={"mails_per_day": 1})
    assert taken(send(site))
    with database.write() as session:
        session.connection().execute(text("UPDATE confirmations SET state = 'accepted'"))
    assert taken(send(site))
    assert rows(database, "SELECT count(*) FROM confirmations") == [(1,)]
    site.now += timedelta(days=1)
    assert taken(send(site))
    assert rows(database, "SELECT count(*) FROM confirmations") == [(2,)]


def test_other_sites(sqlite_site: Site) -> None:
    site, headers = sqlite_site, {"origin": "https://blog.example", "accept": "application/json"}
    said = site.client.get("/subscribe/token?digest=morning&language=de-CH", headers=headers)
    assert said.headers["access-control-allow-origin"] == "*"
    assert "set-cookie" not in said.headers
    assert (said.json()["subscribe"], said.json()["language"]) == ("Abonnieren", "de")
    site.now += timedelta(seconds=5)
    form = {"email": ANN, "digest": "morning", "stamp": said.json()["stamp"], "speak": "de", "form": "embed"}
    answer = site.client.post("/subscribe", data=form, headers=headers)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.json()["state"] == "sent"
    (detail,) = rows(site.database, "SELECT detail FROM consent_events")[0]
    assert json.loads(detail)["form"] == "embed https://blog.example"
    assert json.loads(detail)["wording"].startswith("Ich möchte dies")
    plain = site.client.post("/subscribe", data={"email": "two@example.org", "digest": "morning"})
    assert plain.status_code == 200
    assert "once more" in plain.text
    assert 'value="two@example.org"' in plain.text
    script = site.client.get("/subscribe/embed.js")
    assert script.headers["content-type"].startswith("text/javascript")
    page = site.client.get("/embed").text
    assert "/subscribe/embed.js?digest=morning&#34;" in page


def test_a_proof_of_work_is_good_once(
    sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    site = make(sqlite_database, keyring, now, configuration, signup={"proof_of_work": True})
    assert 'data-proof="/subscribe/challenge"' in site.client.get("/").text
    assert "once more" in send(site).text
    asked = site.client.get("/subscribe/challenge").json()
    numbers = range(asked["maxnumber"] + 1)
    number = next(
        n for n in numbers if hashlib.sha256(f"{asked['salt']}{n}".encode()).hexdigest() == asked["challenge"]
    )
    names = ("algorithm", "challenge", "salt", "signature")
    solved = {name: asked[name] for name in names} | {"number": number}
    proof = base64.b64encode(json.dumps(solved).encode()).decode()
    wrong = base64.b64encode(json.dumps(solved | {"number": number + 1}).encode()).decode()
    assert "once more" in send(site, proof=wrong).text
    assert taken(send(site, proof=proof))
    assert "once more" in send(site, "two@example.org", proof=proof).text
    assert rows(sqlite_database, "SELECT count(*) FROM subscribers") == [(1,)]


def test_no_form_where_it_is_switched_off(
    sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    site = make(sqlite_database, keyring, now, configuration, signup={"enabled": False})
    assert "<form" not in site.client.get("/").text
    assert site.client.get("/subscribe").status_code == 404
    assert site.client.post("/subscribe", data={"email": ANN}).status_code in {404, 405}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    form=st.dictionaries(
        st.sampled_from(
            [
                "email",
                "digest",
                "frequency",
                "scope",
                "topic",
                "name",
                "language",
                "timezone",
                "stamp",
                "speak",
                "form",
                "website",
                "proof",
            ]
        ),
        st.text(st.characters(codec="utf-8"), max_size=60),
    )
)
def test_no_form_breaks_it(sqlite_site: Site, form: dict[str, str]) -> None:
    mark = stamp(sqlite_site)
    sqlite_site.now += timedelta(seconds=5)
    answer = sqlite_site.client.post("/subscribe", data={"stamp": mark} | form, follow_redirects=False)
    assert answer.status_code in {200, 303, 400, 429}
    assert "Something went wrong" not in answer.text


def test_a_body_that_is_too_large_and_a_wrong_host(sqlite_site: Site) -> None:
    assert sqlite_site.client.post("/subscribe", data={"email": "a" * 70_000}).status_code == 413
    answer = sqlite_site.client.get("/subscribe", headers={"host": "evil.example"})
    assert "evil.example" not in answer.text
    sent = sqlite_site.client.post(
        "/subscribe", data={"website": "x"}, headers={"host": "evil.example"}, follow_redirects=False
    )
    assert sent.headers["location"] == "/subscribe/sent"
