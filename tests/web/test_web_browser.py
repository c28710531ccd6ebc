"""The pages about feeds in a real Chromium: what a feed's address shows there, small screens, dark, keyboard, right to left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from browser import CONTRASTS, TOO_SMALL, TOO_WIDE, Browser, browser
from publisher import Publisher
from running import free_port, until

TITLE = 'Tides & "quays" <script>alert(1)</script>'
FEED = """[feed.all]
per = ["category", "author"]

[feed.harbour]
title = "أخبار المرفأ"
languages = ["ar"]
"""
PAGES = (
    "/",
    "/feeds/",
    "/feeds/all/",
    "/feeds/harbour/",
    "/feeds/issues-morning/",
    "/issues/",
    "/feeds/all/category/port/",
)
FOCUSED = """(() => {
  const e = document.activeElement, style = getComputedStyle(e);
  return [e.tagName, e.href || e.value || e.ariaLabel || "", style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
})()"""


@dataclass
class Site:
    url: str
    tab: Browser

    def open(self, path: str) -> dict[str, object]:
        return self.tab.open(self.url + path)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("browser")
    with browser(folder) as tab:
        publisher = Publisher(folder, port=free_port()).write()
        url = f"http://127.0.0.1:{publisher.port}"
        text = publisher.config.read_text().replace("https://news.courier.example", url)
        publisher.config.write_text(text.replace("[feed.all]\n", FEED))
        title = f"{TITLE} and a word without an end: {'Hafenmeisterei' * 6}"
        publisher.article("one", title=json.dumps(title), category="port", author="Ann Brand", language="en")
        publisher.article("two", title="مرفأ المدينة", category="port", language="ar")
        services = publisher.services(None)
        publisher.run("poll")
        publisher.run("subscribers", "add", "ann.brand@example.org", "--digest", "morning", "--confirmed")
        publisher.run("send", "morning")
        publisher.run("feeds", "build")
        process = publisher.start("web")
        try:
            until(lambda: _answers(url), "the web part is there")
            yield Site(url, tab)
        finally:
            process.terminate()
            process.communicate(timeout=30)
            services.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_fits_and_can_be_read(site: Site, width: int, dark: bool, tmp_path: Path) -> None:
    site.tab.screen(width=width, dark=dark)
    for path in PAGES:
        assert site.open(path)["status"] == 200, path
        site.tab.picture(tmp_path / f"{path.strip('/').replace('/', '-') or 'first'}.png")
        assert site.tab.troubles() == [], path
        assert site.tab.look(TOO_WIDE) == 0, path
        assert site.tab.look(CONTRASTS) == [], path
        assert site.tab.look(TOO_SMALL) == [], path
    ground = site.tab.look("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(", "))) < 384) == dark


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("rss.xml", 320),
        pytest.param("atom.xml", 1280, marks=pytest.mark.slow),
        pytest.param("feed.json", 1280, marks=pytest.mark.slow),
    ],
)
def test_the_address_of_a_feed_shows_a_page_there_and_the_feed_elsewhere(
    site: Site, name: str, width: int, tmp_path: Path
) -> None:
    site.tab.screen(width=width)
    address = f"{site.url}/feeds/all/{name}"
    shown = site.open(f"/feeds/all/{name}")
    site.tab.picture(tmp_path / "preview.png")
    assert (shown["status"], shown["mimeType"]) == (200, "text/html")
    assert site.tab.troubles() == []
    assert site.tab.look("location.href") == address
    assert site.tab.look("document.querySelector('#address').value") == address
    assert "in a browser" in site.tab.look("document.querySelector('.note').innerText")
    assert {text.partition(" and a word")[0] for text in _entries(site)} == {TITLE, "مرفأ المدينة"}
    (script,) = site.tab.look("[...document.scripts].map(s => s.text + new URL(s.src).pathname)")
    assert re.fullmatch(r"/static/pages\.[0-9a-f]{16}\.js", script)
    copy = "document.querySelector('button.copy')"
    assert site.tab.look(f"{copy}.hidden") is False
    site.tab.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    site.tab.look(f"{copy}.click()")
    until(lambda: bool(site.tab.look(f"{copy}.innerText") == "Copied"), "it says so")
    assert site.tab.look("navigator.clipboard.readText()") == address
    assert site.tab.look(TOO_WIDE) == 0
    answer = httpx.get(address, headers={"accept": "text/html,*/*;q=0.8"})
    assert answer.headers["content-type"].startswith("application/")


def _entries(site: Site) -> list[str]:
    found: list[str] = site.tab.look(
        "[...document.querySelectorAll('.entries li p:first-child')].map(e => e.innerText)"
    )
    return found


@pytest.mark.slow
def test_a_page_is_worked_with_the_keyboard_alone(site: Site) -> None:
    site.tab.screen()
    site.open("/feeds/all/rss.xml")
    wanted = site.tab.look("[...document.querySelectorAll('a, input, button')].length")
    met = []
    for _ in range(wanted):
        site.tab.press("Tab")
        met.append(site.tab.look(FOCUSED))
    assert len({(tag, target) for tag, target, _ in met}) >= wanted - 1  # the address stands there twice
    assert all(visible for _, _, visible in met), met
    assert f"{site.url}/feeds/all/" in {target for _, target, _ in met}
    path = met[-1][1].removeprefix(site.url)
    site.tab.press("Enter")
    until(lambda: bool(site.tab.look("location.pathname") == path), "the last link was followed")


@pytest.mark.slow
def test_right_to_left(site: Site) -> None:
    site.tab.screen(width=320)
    site.open("/feeds/harbour/")
    assert site.tab.look("getComputedStyle(document.querySelector('h1')).direction") == "rtl"
    side = "(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])"
    range_ = (
        "(() => { const r = document.createRange(); r.selectNodeContents(document.querySelector('h1')); return r })()"
    )
    left, right = site.tab.look(f"{side}({range_})")
    outer_left, outer_right = site.tab.look(f"{side}(document.querySelector('h1'))")
    assert left - outer_left < 2 < outer_right - right  # on an English page all words stand at one edge
    site.tab.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": "ar"})
    for path in ("/feeds/harbour/", "/feeds/all/"):  # and on an Arabic one at the other, English ones as well
        site.open(path)
        left, right = site.tab.look(f"{side}({range_})")
        outer_left, outer_right = site.tab.look(f"{side}(document.querySelector('h1'))")
        assert outer_right - right < 2 < left - outer_left, path
    site.tab.send("Network.setExtraHTTPHeaders", headers={})
    # Addresses stay what they are.
    assert site.tab.look("getComputedStyle(document.querySelector('.address input')).direction") == "ltr"


@pytest.mark.slow
def test_a_browser_finds_the_feeds_by_itself(site: Site) -> None:
    for path in PAGES:
        site.open(path)
        links = site.tab.look("[...document.querySelectorAll('head link[rel=alternate]')].map(e => [e.type, e.href])")
        assert links, path
        for media_type, address in links:
            answer = httpx.get(address)
            assert answer.status_code == 200, address
            assert answer.headers["content-type"].partition(";")[0] == media_type
