"""The readers' pages: GET shows, POST acts, bad links and bodies are answered politely."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members_setup import SETTINGS, add, rows, sign_up
from reader_site import ANN, Site, confirmed, number, reader_configuration
from sqlalchemy import text

from syndicate.config import Settings
from syndicate.core.links import Purpose, sign, sign_joint
from syndicate.io.templates import read_templates
from syndicate.model import Keyring
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.web.pages import Pages


@pytest.fixture
def configuration(tmp_path: Path) -> Settings:
    return reader_configuration(tmp_path)


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    return Site(database, keyring, now, configuration)


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings) -> Site:
    """For what does not depend on the database."""
    return Site(sqlite_database, keyring, now, configuration)


def test_confirming_takes_a_button(site: Site) -> None:
    link = site.link(Purpose.CONFIRM, number(sign_up(site.database, site.keyring, ANN, site.now)))
    page = site.client.get(link)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "a***@example.org" in page.text
    assert site.state() == "unconfirmed"
    done = site.client.post(link, data={"action": "confirm"})
    assert done.status_code == 200
    assert "You are subscribed" in done.text
    assert site.state() == "confirmed"
    assert "You are subscribed" in site.client.post(link).text
    assert "You are subscribed" in site.client.get(link).text
    choice = re.search(r'href="(/preferences/[^"]+)"', done.text)
    assert choice is not None
    assert site.client.get(choice[1]).status_code == 200


def test_an_expired_confirm_link_says_so(site: Site) -> None:
    link = site.link(Purpose.CONFIRM, number(sign_up(site.database, site.keyring, ANN, site.now)))
    site.now += timedelta(hours=72)
    for answer in (site.client.get(link), site.client.post(link)):
        assert answer.status_code == 410
        assert "expired" in answer.text
    assert site.state() == "unconfirmed"


def test_a_confirm_link_does_not_bring_back_who_left(site: Site) -> None:
    link = site.link(Purpose.CONFIRM, confirmed(site))
    unsubscribe_address(site.database, ANN, now=site.now)
    assert "has ended" in site.client.get(link).text
    assert site.client.post(link).status_code == 409
    assert site.state() == "unsubscribed"


@pytest.mark.parametrize("multipart", [False, True])
def test_one_click(site: Site, multipart: bool) -> None:
    link = site.link(Purpose.UNSUBSCRIBE, confirmed(site))
    field = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):
        if multipart:
            body = b'--B\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--B--\r\n'
            headers = {"content-type": "multipart/form-data; boundary=B"}
            answer = site.client.post(link, content=body, headers=headers, follow_redirects=False)
        else:
            answer = site.client.post(link, data=field, follow_redirects=False)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        assert "set-cookie" not in answer.headers
        assert site.state() == "unsubscribed"
    assert rows(site.database, "SELECT event, via FROM consent_events ORDER BY id")[1:] == [
        ("unsubscribe", "one_click")
    ]


def test_the_unsubscribe_button_and_undo(site: Site) -> None:
    link = site.link(Purpose.UNSUBSCRIBE, confirmed(site))
    page = site.client.get(link)
    assert "Unsubscribe</button>" in page.text
    assert ANN not in page.text
    done = site.client.post(link, data={"action": "unsubscribe"})
    assert "You are unsubscribed" in done.text
    assert "Undo" in done.text
    assert site.state() == "unsubscribed"
    assert "Undo" in site.client.get(link).text
    back = site.client.post(link, data={"action": "undo"})
    assert "All is as it was" in back.text
    assert site.state() == "confirmed"
    site.client.post(link, data={"action": "unsubscribe"})
    site.now += timedelta(days=2)
    assert "Undo" not in site.client.get(link).text
    assert site.client.post(link, data={"action": "undo"}).status_code == 409
    assert site.state() == "unsubscribed"


def test_the_button_of_a_mail_for_several_digests_says_what_it_ends(site: Site) -> None:
    first = confirmed(site)
    second = number(add(site.database, site.keyring, ANN, site.now, digest="weekend"))
    link = f"/unsubscribe/{sign_joint(site.keyring, [first, second])}"
    before = site.everything()
    page = site.client.get(link)
    assert page.status_code == 200
    assert "Stop all of these?" in page.text
    assert page.text.count("only this one") == 2
    assert site.everything() == before  # link scanners follow every link
    one_click = site.client.post(link, data={"List-Unsubscribe": "One-Click"})
    assert (one_click.status_code, one_click.text) == (200, "unsubscribed\n")
    states = "SELECT state FROM subscriptions ORDER BY id"
    assert [state for (state,) in rows(site.database, states)] == ["unsubscribed"] * 2
    done = site.client.get(link)
    assert "None of these comes to" in done.text
    assert "Undo, keep them" in done.text
    restored = site.client.post(link, data={"action": "undo"})
    assert "These keep coming to" in restored.text
    assert [state for (state,) in rows(site.database, states)] == ["confirmed"] * 2


def test_an_empty_post_unsubscribes(site: Site) -> None:
    link = site.link(Purpose.UNSUBSCRIBE, confirmed(site))
    assert site.client.post(link).status_code == 200
    assert site.state() == "unsubscribed"


def test_leaving_works_for_a_digest_that_is_gone(site: Site) -> None:
    link = site.link(Purpose.UNSUBSCRIBE, confirmed(site))
    with site.database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET digest = 'evening'"))
    assert site.client.get(link).status_code == 200
    assert site.client.post(link).status_code == 200
    assert site.state() == "unsubscribed"


def test_preferences(site: Site) -> None:
    link = site.link(Purpose.PREFERENCES, confirmed(site, name="Ann <Brand>"))
    page = site.client.get(link)
    assert page.status_code == 200
    assert 'value="Ann &lt;Brand&gt;"' in page.text
    assert ANN not in page.text
    form = {
        "frequency": "weekly",
        "scope": "some",
        "topic": ["Port", "Sport"],
        "name": "Ann\r\nBcc: x",
        "language": "de",
    }
    saved = site.client.post(link, data=form)
    assert saved.status_code == 200
    assert "Gespeichert." in saved.text  # the page speaks the language that was chosen
    assert 'value="weekly" checked' in saved.text
    assert 'value="Port" checked' in saved.text
    assert 'value="Town" checked' not in saved.text
    assert 'value="de" lang="de" selected' in saved.text
    assert rows(site.database, "SELECT frequency, topics FROM subscriptions") == [("weekly", '{"port":0,"sport":0}')]
    assert rows(site.database, "SELECT name, language FROM subscribers") == [("Ann Bcc: x", "de")]
    back = site.client.post(link, data={"scope": "all", "frequency": "daily", "name": "", "language": ""})
    assert 'value="all" checked' in back.text
    assert rows(site.database, "SELECT name, language FROM subscribers") == [("", None)]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"frequency": "hourly"}, "This cannot be chosen"),
        ({"scope": "some"}, "Choose at least one topic"),
        ({"scope": "some", "topic": "<script>"}, "This cannot be chosen"),
        ({"language": "no language!"}, "This cannot be chosen"),
    ],
)
def test_a_choice_that_is_not_on_offer(sqlite_site: Site, form: dict[str, str], words: str) -> None:
    link = sqlite_site.link(Purpose.PREFERENCES, confirmed(sqlite_site))
    before = sqlite_site.everything()
    answer = sqlite_site.client.post(link, data=form)
    assert answer.status_code == 400
    assert words in answer.text
    assert "<script>" not in answer.text
    assert sqlite_site.everything() == before


def test_preferences_of_who_left(sqlite_site: Site) -> None:
    link = sqlite_site.link(Purpose.PREFERENCES, confirmed(sqlite_site))
    unsubscribe_address(sqlite_site.database, ANN, now=sqlite_site.now)
    assert "You are unsubscribed" in sqlite_site.client.get(link).text
    assert sqlite_site.client.post(link, data={"name": "Ann"}).status_code == 409


@pytest.mark.parametrize("state", ["unconfirmed", "confirmed", "unsubscribed"])
def test_looking_never_writes(site: Site, state: str) -> None:
    subscription = number(sign_up(site.database, site.keyring, ANN, site.now))
    with site.database.write() as session:
        session.connection().execute(text("UPDATE subscriptions SET state = :state"), {"state": state})
    before = site.everything()
    links = [
        site.link(purpose, subscription) for purpose in (Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.PREFERENCES)
    ]
    for path in [*links, "/", "/feeds/", "/healthz", "/readyz", "/static/pages.css", "/feeds/all/rss.xml"]:
        for method in ("GET", "HEAD", "OPTIONS", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH"):
            answer = site.client.request(method, path)
            assert answer.status_code < 500, (method, path)
    assert site.everything() == before


def test_an_erased_reader(sqlite_site: Site) -> None:
    for purpose in (Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.PREFERENCES):
        link = sqlite_site.link(purpose, 4711)
        assert sqlite_site.client.get(link).status_code == 410
        assert sqlite_site.client.post(link).status_code == 410
    link = sqlite_site.link(Purpose.UNSUBSCRIBE, 4711)
    assert sqlite_site.client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_a_link_of_another_page_is_like_an_altered_one(sqlite_site: Site) -> None:
    token = sqlite_site.link(Purpose.UNSUBSCRIBE, confirmed(sqlite_site)).rpartition("/")[2]
    for path in (f"/preferences/{token}", f"/unsubscribe/{token[:-1]}", "/unsubscribe/x", "/confirm/k1."):
        for answer in (sqlite_site.client.get(path), sqlite_site.client.post(path)):
            assert answer.status_code == 404
            assert "This link does not work" in answer.text
    assert sqlite_site.state() == "confirmed"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    token=st.text(min_size=1, max_size=60),
    body=st.binary(max_size=200),
    kind=st.sampled_from(["", "urlencoded", "multi"]),
)
def test_any_token_and_body_is_answered(sqlite_site: Site, token: str, body: bytes, kind: str) -> None:
    content_type = {"urlencoded": "application/x-www-form-urlencoded", "multi": "multipart/form-data; boundary=x"}
    headers = {"content-type": content_type[kind]} if kind else {}
    path = quote(token, safe="")
    for page in ("confirm", "unsubscribe", "preferences"):
        answer = sqlite_site.client.post(f"/{page}/{path}", content=body, headers=headers)
        assert 400 <= answer.status_code < 500
        assert "Traceback" not in answer.text


def test_large_bodies_are_refused(sqlite_site: Site) -> None:
    link = sqlite_site.link(Purpose.UNSUBSCRIBE, confirmed(sqlite_site))
    announced = sqlite_site.client.post(link, content=b"x=" + b"y" * 70_000)
    chunked = sqlite_site.client.post(
        link,
        content=(b"x" * 10_000 for _ in range(10)),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (announced.status_code, chunked.status_code) == (413, 413)
    many = sqlite_site.client.post(link, data={f"f{n}": "1" for n in range(400)})
    assert many.status_code == 400
    assert sqlite_site.state() == "confirmed"


def test_headers_of_every_answer(sqlite_site: Site) -> None:
    link = sqlite_site.link(Purpose.UNSUBSCRIBE, confirmed(sqlite_site))
    for path in (link, "/", "/feeds/", "/nowhere", "/unsubscribe/x", "/static/pages.css", "/feeds/x", "/healthz"):
        headers = sqlite_site.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert "set-cookie" not in headers
    assert sqlite_site.client.get(link).headers["cache-control"] == "no-store"


def test_a_fault_of_ours_shows_nothing_of_it(sqlite_site: Site, tmp_path: Path) -> None:
    link = sqlite_site.link(Purpose.UNSUBSCRIBE, confirmed(sqlite_site))
    with sqlite_site.database.write() as session:
        session.connection().execute(text("DROP TABLE consent_events"))
    answer = sqlite_site.client.post(link)
    assert answer.status_code in {500, 503}
    assert "consent_events" not in answer.text
    assert "Traceback" not in answer.text
    assert "content-security-policy" in answer.headers
    assert sqlite_site.state() == "confirmed"


def test_the_landing_page_names_digests_and_feeds(sqlite_site: Site) -> None:
    page = sqlite_site.client.get("/")
    assert page.status_code == 200
    assert "News from the &lt;port&gt;" in page.text
    assert "daily, weekly" in page.text
    assert 'href="/feeds/all/atom.xml"' in page.text
    assert page.text.count('rel="alternate"') == 4 + 2 * 3  # of two feeds, and of the issues of two digests
    assert 'href="http://127.0.0.1:8000/feeds/all/atom.xml"' in page.text
    assert "1 Quay Street, Harbourtown" in page.text
    loaded = re.findall(r'(?:src|rel="stylesheet" href)="([^"]+)"', page.text)
    assert [re.sub(r"\.[0-9a-f]{16}\.", ".", address) for address in loaded] == [
        "/static/pages.css",
        "/static/pages.js",
    ]
    assert len(page.content) + sum(len(sqlite_site.client.get(address).content) for address in loaded) < 60_000


def test_without_a_form_the_landing_page_says_whom_to_ask_for_a_digest(
    sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    delivery = configuration.delivery.model_copy(update={"from_": "The Courier <news@courier.example>"})
    signup = configuration.signup.model_copy(update={"enabled": False})
    configuration = configuration.model_copy(update={"signup": signup})
    site = Site(sqlite_database, keyring, now, configuration.model_copy(update={"delivery": delivery}))
    assert 'href="mailto:news@courier.example?subject=' in site.client.get("/").text
    answered = delivery.model_copy(update={"reply_to": "editor@courier.example"})
    site = Site(sqlite_database, keyring, now, configuration.model_copy(update={"delivery": answered}))
    assert 'href="mailto:editor@courier.example?subject=' in site.client.get("/").text


def test_a_feed_address_cut_short_shows_the_way_back_and_a_missing_document_stays_plain(sqlite_site: Site) -> None:
    for path in ("/feeds/nothing/", "/feeds/nothing", "/feeds/nothing/here"):
        answer = sqlite_site.client.get(path)
        assert answer.status_code == 404
        assert '<a href="/">To the start page</a>' in answer.text
    document = sqlite_site.client.get("/feeds/nothing/rss.xml")
    assert (document.status_code, document.headers["content-type"]) == (404, "text/plain; charset=utf-8")


def test_names_written_from_right_to_left_keep_to_themselves(
    sqlite_database: Database, keyring: Keyring, now: datetime, configuration: Settings
) -> None:
    site = configuration.site.model_copy(update={"title": "جريدة الميناء", "language": "ar"})
    feed = configuration.feed["all"].model_copy(update={"title": "كل المقالات"})
    changed = configuration.model_copy(update={"site": site, "feed": {"all": feed}})
    page = Site(sqlite_database, keyring, now, changed).client.get("/feeds/").text
    assert '<p lang="ar" dir="rtl"><a href="/">جريدة الميناء</a></p>' in page
    assert '<h2 class="item" lang="ar" dir="auto"><a href="/feeds/all/">كل المقالات</a></h2>' in page


@pytest.mark.parametrize(
    ("language", "timezone", "written"),
    [
        ("en", "Europe/London", "23 November 2026"),
        ("en", "America/New_York", "November 22, 2026"),
        ("en-GB", "America/New_York", "22 November 2026"),
        ("ar", "Europe/London", "23 نوفمبر 2026"),
    ],
)
def test_days_are_written_as_where_the_site_is(language: str, timezone: str, written: str) -> None:
    site = SETTINGS.site.model_copy(update={"language": language, "timezone": timezone})
    pages = Pages(SETTINGS.model_copy(update={"site": site}), read_templates([shipped("templates")]))
    assert pages.date(datetime(2026, 11, 23, 1, tzinfo=UTC)) == written


def test_behind_a_path_of_a_proxy(sqlite_database: Database, keyring: Keyring, now: datetime) -> None:
    below = SETTINGS.model_copy(
        update={"service": SETTINGS.service.model_copy(update={"public_url": "https://courier.example/mail"})}
    )
    page = Site(sqlite_database, keyring, now, below).client.get("/").text
    assert 'href="/mail/static/pages.' in page


def test_the_style_sheet_may_be_kept(sqlite_site: Site) -> None:
    page = sqlite_site.client.get("/").text
    found = re.search(r'href="(/static/pages\.[0-9a-f]{16}\.css)"', page)
    assert found is not None
    style = sqlite_site.client.get(found[1])
    assert style.headers["content-type"].startswith("text/css")
    assert "immutable" in style.headers["cache-control"]
    other = sqlite_site.client.get("/static/pages.0123456789abcdef.css")  # a page of yesterday, or of tomorrow
    assert (other.content, other.headers["cache-control"]) == (style.content, "no-cache")


def test_health(site: Site) -> None:
    assert site.client.get("/healthz").json() == {"status": "ok"}
    assert site.client.get("/readyz").json() == {"status": "ok"}


def test_not_ready_when_the_clock_of_the_service_stands_still(sqlite_site: Site) -> None:
    sqlite_site.services.ticked_at = time.monotonic()
    assert sqlite_site.client.get("/readyz").status_code == 200
    sqlite_site.services.ticked_at = time.monotonic() - 61
    answer = sqlite_site.client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "clock stands still"})
    assert sqlite_site.client.get("/healthz").status_code == 200


def test_not_ready_without_a_database(keyring: Keyring, now: datetime, tmp_path: Path) -> None:
    gone = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    client = Site(gone, keyring, now, SETTINGS).client
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503
    page = client.get(f"/unsubscribe/{sign(keyring, Purpose.UNSUBSCRIBE, 1)}")
    assert page.status_code == 503
    assert page.headers["retry-after"]
    assert "nobody" not in page.text
