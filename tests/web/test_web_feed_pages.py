"""Pages about feeds and issues, over the real writers' documents and real issues."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from own_host import own_host
from sqlalchemy import text
from starlette.testclient import TestClient
from world import World, courier

from syndicate.config import Settings
from syndicate.config.sections import Feed
from syndicate.core.feeds import WRITERS, alternate_links, feed_document, listed_feeds
from syndicate.core.message.public_copy import public_copy
from syndicate.model import FeedFormat, Keyring
from syndicate.pipeline.publish import publish
from syndicate.pipeline.publish.wanted import public_feeds
from syndicate.service.wiring import Services
from syndicate.store.articles import newest
from syndicate.store.engine import Database
from syndicate.web.app import make_app

PERSON = {"sec-fetch-dest": "document"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    given = courier().model_dump(exclude_unset=True, by_alias=True)
    given |= {"base": tmp_path, "feed": {"all": {"title": "All <b>the</b> news"}, "port": {"formats": ["rss"]}}}
    given["digest"]["quiet"] = {"public": False, "optin": "single"}
    return Settings.model_validate(given)


@pytest.fixture
def world(database: Database, keyring: Keyring, now: object, settings: Settings) -> World:
    return World(database, settings, keyring, now)  # type: ignore[arg-type]


@pytest.fixture
def client(world: World, settings: Settings) -> TestClient:
    services = Services(settings, clock=world.clock)
    services.__dict__["database"] = world.database
    services.__dict__["keyring"] = world.keyring
    world.article("one", title='Tides & "quays" <script>alert(1)</script>')
    world.article("two", title="مرفأ", language="ar")
    world.poll()
    with world.database.read() as session:
        articles = newest(session, settings.feed["all"], limit=50, now=world.now)
    for name in settings.feed:
        document, _ = feed_document(settings, name, articles)
        for form in settings.feed[name].formats:
            place = settings.feeds_path / name / form.file_name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(WRITERS[form](document))
    (settings.feeds_path / "feeds.opml").write_text("<opml/>")
    return TestClient(
        make_app(services),
        own_host(services),
        raise_server_exceptions=False,
        follow_redirects=False,
    )


OUR_SCRIPT = re.compile(r'<script src="/static/pages\.[0-9a-f]{16}\.js" defer>')


def test_the_page_of_a_feed_leads_to_those_below_it(world: World, settings: Settings) -> None:
    settings = settings.model_copy(update={"feed": {"all": Feed(per=("language", "author"))}})
    services = Services(settings, clock=world.clock)
    services.__dict__["database"] = world.database
    world.article("one", author="林雨青")
    world.article("two", language="ar", author="Ada Lock")
    world.poll()
    publish(world.database, settings, world.now)
    page = TestClient(make_app(services), own_host(services)).get("/feeds/all/").text
    for heading, links in (
        ("By author", {"/feeds/all/author/ada-lock/": "Ada Lock", f"/feeds/all/author/{quote('林雨青')}/": "林雨青"}),
        ("By language", {"/feeds/all/language/ar/": "العربية", "/feeds/all/language/en/": "English"}),
    ):
        below = page[page.index(f"<h2>{heading}</h2>") :]
        found = re.findall(r'<li><a href="([^"]*)">([^<]*)</a></li>', below[: below.index("</ul>")])
        assert dict(found) == links


def test_the_page_of_a_feed(client: TestClient) -> None:
    page = client.get("/feeds/all/")
    assert page.status_code == 200
    assert "All &lt;b&gt;the&lt;/b&gt; news" in page.text
    for name in ("atom.xml", "rss.xml", "feed.json"):
        assert f'value="https://news.courier.example/feeds/all/{name}"' in page.text
    assert "feedly.com/i/subscription/feed%2Fhttps%3A%2F%2Fnews.courier.example%2Ffeeds%2Fall%2Fatom.xml" in page.text
    assert 'href="https://courier.example/one"' in page.text
    assert re.findall("<script[^>]*>", page.text) == [OUR_SCRIPT.search(page.text)[0]]  # type: ignore[index]
    assert 'lang="ar" dir="rtl"' in page.text
    assert page.text.index("atom.xml") < page.text.index("rss.xml")  # the best format first
    assert client.get("/feeds/all").status_code == 301
    assert client.get("/feeds/all").headers["location"] == "/feeds/all/"
    assert client.get("/feeds/none/").status_code == 404
    assert client.get("/feeds/%2e%2e/").status_code == 404


def test_every_page_tells_readers_where_the_feeds_are(client: TestClient) -> None:
    for path in ("/", "/feeds/", "/feeds/port/", "/issues/", "/nowhere"):
        links = re.findall(r'<link rel="alternate" type="([^"]+)"', client.get(path).text)
        assert "application/atom+xml" in links, path
        assert "application/json" not in links
    for path in ("/", "/feeds/"):
        assert 'href="/feeds/all/"' in client.get(path).text
    for path in ("/feeds/", "/issues/"):
        page = client.get(path).text
        assert 'href="/feeds/issues-morning/"' in page
        assert 'href="/feeds/issues-morning/atom.xml"' in page
        assert "issues-quiet" not in page
    assert 'href="/feeds.opml"' in client.get("/feeds/").text


@pytest.mark.parametrize("name", ["atom.xml", "rss.xml", "feed.json"])
def test_a_browser_at_the_address_of_a_feed(client: TestClient, name: str) -> None:
    page = client.get(f"/feeds/all/{name}", headers=PERSON)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"].startswith("private")
    assert "Sec-Fetch-Dest" in page.headers["vary"]
    assert f'value="https://news.courier.example/feeds/all/{name}"' in page.text
    assert "Tides &amp; &#34;quays&#34;" in page.text or 'Tides &amp; "quays"' in page.text
    assert re.findall("<script[^>]*>", page.text) == [OUR_SCRIPT.search(page.text)[0]]  # type: ignore[index]
    assert client.get(f"/feeds/all/{name}").headers["content-type"].startswith("application/")
    assert client.get("/feeds/none/rss.xml", headers=PERSON).status_code == 404
    assert client.get("/feeds.opml", headers=PERSON).headers["content-type"].startswith("text/x-opml")


def test_what_pages_list_is_what_is_published(client: TestClient, settings: Settings) -> None:
    published = public_feeds(settings)
    assert {feed.name: feed.title for feed in listed_feeds(settings)} == {
        name: feed.title for name, feed in published.items()
    }
    for name in published:
        page = client.get(f"/feeds/{name}/")
        assert page.status_code == 200, name
        assert f'value="https://news.courier.example/feeds/{name}/rss.xml"' in page.text


def test_the_web_archive(client: TestClient, world: World, settings: Settings) -> None:
    world.subscriber("ann.brand@example.org")
    issue = world.compose()
    page = client.get("/issues/")
    assert page.status_code == 200
    assert f'href="/issues/{issue.id}"' in page.text
    mailed = client.get(f"/issues/{issue.id}")
    assert mailed.status_code == 200
    policy = mailed.headers["content-security-policy"]
    assert policy == "sandbox; default-src 'none'; img-src https: data:; style-src 'unsafe-inline'"
    assert "Tides" in mailed.text
    assert mailed.text.count('<link rel="alternate"') == len(alternate_links(settings))
    assert "ann.brand" not in mailed.text
    assert "/unsubscribe/" not in mailed.text
    assert "/preferences/" not in mailed.text
    assert "Unsubscribe" not in mailed.text
    with world.database.read() as session:
        nonce = str(session.connection().execute(text("SELECT message FROM editions")).scalar_one())
    found = re.search(r"boundary=\\?\"=_([a-z0-9]+)", nonce)
    assert found is not None
    assert found[1] not in mailed.text
    for path in ("/issues/0", "/issues/999", "/issues/x", "/issues/99999999999999999999", "/issues/²"):
        assert client.get(path).status_code == 404
    with world.database.write() as session:
        session.connection().execute(text("UPDATE editions SET message = NULL"))
    assert client.get(f"/issues/{issue.id}").status_code == 404
    assert f'href="/issues/{issue.id}"' not in client.get("/issues/").text


def test_each_edition_has_its_own_page(client: TestClient, world: World) -> None:
    world.article("ferry", category="port")
    world.article("choir", category="culture")
    world.poll()
    world.subscriber("ann.brand@example.org", topics={"port": 0})
    world.subscriber("pia.holm@example.org", topics={"culture": 0})
    issue = world.compose()
    with world.database.read() as session:
        editions = list(session.connection().execute(text("SELECT id FROM editions ORDER BY id")).scalars())
    shown = [client.get(f"/issues/{issue.id}/{edition}") for edition in editions]
    assert [page.status_code for page in shown] == [200, 200]
    told = [{word for word in ("Story ferry", "Story choir") if word in page.text} for page in shown]
    assert sorted(map(sorted, told)) == [["Story choir"], ["Story ferry"]]
    assert not any("/unsubscribe/" in page.text or "Read on the web" in page.text for page in shown)
    later = world.compose("daily/later")
    for path in (f"{issue.id}/0", f"{issue.id}/999", f"{issue.id}/x", f"{later.id}/{editions[0]}"):
        assert client.get(f"/issues/{path}").status_code == 404


@pytest.mark.parametrize("change", ["state = 'cancelled'", "state = 'draft'", "digest = 'quiet'", "digest = 'gone'"])
def test_what_is_not_public_is_not_shown(client: TestClient, world: World, change: str) -> None:
    world.subscriber("ann.brand@example.org")
    issue = world.compose()
    with world.database.write() as session:
        session.connection().execute(text(f"UPDATE issues SET {change}"))  # noqa: S608 - our own words
    assert client.get(f"/issues/{issue.id}").status_code == 404
    assert issue.subject not in client.get("/issues/").text


@pytest.mark.parametrize("template", ["magazine", "brief", "plain-letter"])
def test_an_article_that_was_withdrawn_is_gone_from_the_archive(
    world: World, settings: Settings, template: str
) -> None:
    digest = {**settings.digest, "morning": settings.digest["morning"].model_copy(update={"template": template})}
    changed = settings.model_copy(update={"digest": digest})
    world = World(world.database, changed, world.keyring, world.now)
    services = Services(changed, clock=world.clock)
    services.__dict__["database"] = world.database

    def write(key: str) -> None:
        world.article(key, title=f"The {key} ferry", summary=f"What the {key} ferry did is told here at length.")

    for key in ("one", "two"):
        write(key)
    world.poll()
    world.subscriber("ann.brand@example.org")
    issue = world.compose()
    client = TestClient(make_app(services), own_host(services))
    before = client.get(f"/issues/{issue.id}").text
    assert ("The one ferry" in before, "The two ferry" in before) == (True, True)
    for key, other in (("one", "two"), ("two", "one")):
        write(other)
        del world.stories.items[key]
        world.poll()
        for path in (f"/issues/{issue.id}", "/issues/", "/"):
            assert f"{key} ferry" not in client.get(path).text, path
        assert f"The {other} ferry" in client.get(f"/issues/{issue.id}").text


def test_a_copy_keeps_what_stands_beside_personal_links(client: TestClient, world: World) -> None:
    world.subscriber("ann.brand@example.org")
    world.compose()
    with world.database.read() as session:
        message = session.connection().execute(text("SELECT message FROM editions")).scalar_one()
    page = public_copy(bytes(message))
    assert page is not None
    assert page.startswith("<!DOCTYPE html>")
    assert "1 Quay Street, Harbourtown" in page
    assert "Story" in page or "Tides" in page


def test_formats_agree_at_a_glance(client: TestClient, settings: Settings) -> None:
    from syndicate.core.feeds.glance import glance

    found = [
        glance((settings.feeds_path / "all" / form.file_name).read_bytes(), form, limit=10).entries
        for form in FeedFormat
    ]
    assert len(found[0]) == 2
    for entries in found[1:]:
        assert [(entry.title, entry.url, entry.published) for entry in entries] == [
            (entry.title, entry.url, entry.published) for entry in found[0]
        ]
