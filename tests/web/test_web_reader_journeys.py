"""Readers' journeys in a real Chromium: sign up to the first digest, change, leave by one click, undo; axe on every page."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import axe_core_python
import httpx
import pytest
import zxingcpp
from browser import Browser, browser
from members_setup import rows
from publisher import Publisher
from running import free_port, until

from syndicate.core.links import Purpose, sign
from syndicate.service.wiring import Services, utc_now

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
VIOLATIONS = (
    "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 200))])))"
)
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
ELSEWHERE = "performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.startsWith(location.origin))"


@dataclass
class Town:
    url: str
    tab: Browser
    publisher: Publisher
    services: Services

    def mails(self, to: str) -> list[EmailMessage]:
        """What came for an address, oldest first: by time, since the names of files are those of the messages."""
        found = []
        new = self.publisher.folder / "outbox" / "new"
        for place in sorted(new.iterdir(), key=lambda place: place.stat().st_mtime_ns):
            mail = message_from_bytes(place.read_bytes(), policy=policy.default)
            if mail["To"].addresses[0].addr_spec == to:
                found.append(mail)
        return found

    def link(self, purpose: Purpose, number: int) -> str:
        expires_at = utc_now() + timedelta(days=1) if purpose is Purpose.CONFIRM else None
        return f"{self.url}/{purpose}/{sign(self.services.keyring, purpose, number, expires_at=expires_at)}"

    def heading(self) -> str:
        return str(self.tab.look("document.querySelector('h1')?.innerText"))

    def press(self, button: str, wanted: str) -> None:
        """Press the button of a name, and wait for the page with the heading that is wanted."""
        self.tab.look(
            f"[...document.querySelectorAll('button')].find(b => b.innerText === {json.dumps(button)}).click()"
        )
        until(lambda: bool(self.tab.look("document.readyState === 'complete'")) and self.heading() == wanted, wanted)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("journeys")
    with browser(folder) as tab:
        publisher = Publisher(folder, port=free_port(), digest='topics = ["port", "sport"]').write()
        url = f"http://127.0.0.1:{publisher.port}"
        publisher.config.write_text(publisher.config.read_text().replace("https://news.courier.example", url))
        publisher.article("one", title="The ferry sails again", category="port", tags=["port"])
        services = publisher.services(None)
        publisher.run("poll")
        publisher.run("subscribers", "add", "ann.brand@example.org", "--digest", "morning", "--confirmed")
        publisher.run("send", "morning")
        publisher.run("feeds", "build")
        process = publisher.start("web")
        try:
            until(lambda: _answers(url), "the web part is there")
            yield Town(url, tab, publisher, services)
        finally:
            process.terminate()
            process.communicate(timeout=30)
            publisher.close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_from_the_form_to_the_first_digest_and_back(town: Town) -> None:
    tab, nora = town.tab, "nora.quay@example.org"
    tab.send("Emulation.setTimezoneOverride", timezoneId="Asia/Tokyo")
    tab.screen(width=320)
    tab.open(f"{town.url}/")
    assert tab.look("document.querySelector('#timezone').value") == "Asia/Tokyo"  # from the browser, editable
    tab.look(f"document.querySelector('#email').value = '{nora}'")
    tab.look("document.querySelector('input[name=frequency][value=weekly]').click()")
    until(lambda: bool(tab.look("performance.now() > 2500")), "a person takes longer than a machine")
    town.press("Subscribe", "Almost done: check your mail")
    town.publisher.run("run", "--once")
    (mail,) = town.mails(nora)
    body = mail.get_body(("plain",))
    assert body is not None
    link = re.search(r"http://\S+/confirm/\S+", body.get_content())
    assert link is not None
    tab.open(link[0])
    assert nora not in tab.look("document.body.innerText")
    town.press("Yes, send it to me", "You are subscribed")
    town.publisher.run("send", "morning")
    digest = town.mails(nora)[-1]
    assert "The ferry sails again" in digest["Subject"]
    leave = re.search(r"<(http[^>]+)>", digest["List-Unsubscribe"])
    assert leave is not None
    one_click = httpx.post(leave[1], data={"List-Unsubscribe": "One-Click"})
    assert (one_click.status_code, "set-cookie" in one_click.headers) == (200, False)
    tab.open(leave[1])
    until(lambda: town.heading() == "You are unsubscribed", "the page that says so")
    town.press("Undo, keep it", "All is as it was")
    tab.look("document.querySelector('main a').click()")
    until(lambda: town.heading() == "What you get", "the preferences")
    assert tab.look("document.querySelector('#timezone').value") == "Asia/Tokyo"
    tab.look("document.querySelector('input[name=frequency][value=monthly]').click()")
    tab.look("[...document.querySelectorAll('button')].find(b => b.value === 'save').click()")
    until(lambda: bool(tab.look("!!document.querySelector('.note strong')")), "it is saved")
    assert tab.look("document.querySelector('input[name=frequency]:checked').value") == "monthly"


def left(town: Town) -> int:
    """The subscription of somebody who has unsubscribed."""
    town.publisher.run("subscribers", "add", "left@example.org", "--digest", "morning", "--confirmed")
    town.publisher.run("subscribers", "unsubscribe", "left@example.org")
    query = "SELECT max(id) FROM subscriptions WHERE state = 'unsubscribed'"
    return int(rows(town.services.database, query)[0][0])


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize(("width", "dark"), [(320, False), (320, True), (1280, False), (1280, True)])
def test_no_page_has_a_violation(town: Town, language: str, width: int, dark: bool) -> None:
    town.tab.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
    town.tab.screen(width=width, dark=dark)
    preferences = town.link(Purpose.PREFERENCES, 1)
    public = (
        "/",
        "/subscribe",
        "/subscribe/sent",
        "/embed",
        "/privacy",
        "/feeds/",
        "/feeds/all/",
        "/feeds/all/atom.xml",
        "/issues/",
        "/nowhere",
    )
    own = [preferences, f"{preferences}/address", f"{preferences}/erase", town.link(Purpose.UNSUBSCRIBE, 1)]
    own += [town.link(Purpose.CONFIRM, 1), town.link(Purpose.UNSUBSCRIBE, left(town))]
    for address in (*(town.url + path for path in public), *own):
        town.tab.open(address)
        assert town.tab.look(TOO_WIDE) == 0, address
        assert town.tab.look(ELSEWHERE) == [], address
        town.tab.send("Runtime.evaluate", expression=AXE)
        assert json.loads(town.tab.look(VIOLATIONS)) == [], address
    town.tab.send("Network.setExtraHTTPHeaders", headers={})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ar"])
def test_no_page_after_a_press_has_a_violation(town: Town, language: str) -> None:
    """Pages that only a press leads to: each looked at as it stands, small and large, light and dark."""
    tab, email = town.tab, f"zoe.{language}@example.org"
    town.publisher.run("subscribers", "add", email, "--digest", "morning")
    ((number,),) = rows(town.services.database, "SELECT max(id) FROM subscriptions")
    tab.send("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    def pressed(selector: str, page: str) -> None:
        heading = town.heading()
        tab.look(f"document.querySelector({selector!r}).click()")
        until(lambda: bool(tab.look("document.readyState === 'complete'")) and town.heading() != heading, page)
        without_violations(town, page)

    tab.open(town.link(Purpose.CONFIRM, number))
    pressed("main button", "confirmed")
    tab.open(town.link(Purpose.UNSUBSCRIBE, number))
    pressed("main button", "unsubscribed")
    pressed("button[value=undo]", "restored")
    preferences = town.link(Purpose.PREFERENCES, number)
    tab.open(f"{preferences}/address")
    tab.look(
        f"document.querySelector('#own').value = '{email}'; document.querySelector('#email').value = 'new.{email}'"
    )
    tab.look("document.querySelector('main button').click()")
    until(lambda: bool(tab.look("!!document.querySelector('[role=status]')")), "the mail is on its way")
    without_violations(town, "address asked for")
    town.publisher.run("run", "--once")
    tab.open(address_of(town.mails(f"new.{email}")[-1], "address"))
    without_violations(town, "address to be confirmed")
    pressed("main button", "address changed")
    tab.open(f"{preferences}/erase")
    tab.look("document.querySelector('#own').value = 'another@example.org'")
    tab.look("document.querySelector('button[value=erase]').click()")
    until(lambda: bool(tab.look("!!document.querySelector('[role=alert]')")), "it is another's address")
    without_violations(town, "not erased")
    tab.look(f"document.querySelector('#own').value = 'new.{email}'")
    pressed("button[value=erase]", "erased")
    tab.send("Network.setExtraHTTPHeaders", headers={})


def without_violations(town: Town, page: str) -> None:
    for width, dark in ((320, False), (320, True), (1280, False), (1280, True)):
        town.tab.screen(width=width, dark=dark)
        assert town.tab.look(TOO_WIDE) == 0, (page, width)
        assert town.tab.look(ELSEWHERE) == [], page
        town.tab.send("Runtime.evaluate", expression=AXE)
        assert json.loads(town.tab.look(VIOLATIONS)) == [], (page, width, dark)


def test_another_address_and_back(town: Town) -> None:
    tab, old, new = town.tab, "olga.quay@example.org", "olga@example.net"
    town.publisher.run("subscribers", "add", old, "--digest", "morning", "--confirmed")
    ((number,),) = rows(town.services.database, "SELECT max(id) FROM subscriptions")
    tab.open(f"{town.link(Purpose.PREFERENCES, number)}/address")
    tab.look(f"document.querySelector('#own').value = '{old}'; document.querySelector('#email').value = '{new}'")
    tab.look("document.querySelector('main button').click()")
    until(lambda: bool(tab.look("!!document.querySelector('[role=status]')")), "the mail is on its way")
    town.publisher.run("run", "--once")
    (asks,) = town.mails(new)
    tab.open(address_of(asks, "address"))
    assert new not in tab.look("document.body.innerText")
    town.press("Yes, this is my address", "The address is changed")
    town.publisher.run("run", "--once")
    tells = town.mails(old)[-1]
    assert new not in str(tells)
    assert "o***@example.net" in body_of(tells)
    tab.open(address_of(tells, "address"))
    town.press("Yes, this is my address", "The address is changed")
    assert town.publisher.json("subscribers", "show", old)["email"] == old


def test_signing_up_with_the_keyboard_alone(town: Town) -> None:
    tab, email = town.tab, "kay@example.org"
    tab.screen()
    tab.open(f"{town.url}/subscribe?digest=morning")
    until(lambda: bool(tab.look("performance.now() > 2500")), "a person takes longer than a machine")
    for _ in range(4):
        tab.press("Tab")
        if tab.look("document.activeElement.id") == "email":
            break
    tab.send("Input.insertText", text=email)
    tab.press("Enter")
    until(lambda: town.heading() == "Almost done: check your mail", "it is taken")
    town.publisher.run("run", "--once")
    tab.open(address_of(town.mails(email)[-1], "confirm"))
    assert tab.look("document.activeElement.tagName") == "BUTTON"
    tab.press("Enter")
    until(lambda: town.heading() == "You are subscribed", "it is confirmed")
    cookies = tab.send("Network.getCookies", urls=[town.url])["cookies"]
    assert cookies == []


def test_signing_up_without_scripts(town: Town) -> None:
    tab, email = town.tab, "noel@example.org"
    tab.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.open(f"{town.url}/")
        assert tab.look("document.querySelector('#timezone').value") == ""
        time.sleep(2.5)
        tab.look(f"document.querySelector('#email').value = '{email}'")
        tab.look("document.querySelector('input[name=topic][value=sport]').checked = true")  # and not "only some"
        tab.look("document.querySelector('form.signup button').click()")
        until(lambda: town.heading() == "Almost done: check your mail", "it is taken")
    finally:
        tab.send("Emulation.setScriptExecutionDisabled", value=False)
    found = town.publisher.json("subscribers", "show", email)["subscriptions"][0]
    assert found["topics"] == ["sport"]


def test_a_phone_reads_the_code_of_a_feed(town: Town) -> None:
    tab = town.tab
    tab.screen(width=320, dark=True)
    tab.open(f"{town.url}/feeds/all/")
    pixels = """(async () => {
      const image = document.querySelector("img.qr"), canvas = document.createElement("canvas");
      await image.decode();
      canvas.width = canvas.height = 148;
      const pen = canvas.getContext("2d");
      pen.drawImage(image, 0, 0, 148, 148);
      return [...pen.getImageData(0, 0, 148, 148).data].filter((_, place) => place % 4 === 0);
    })()"""
    codes = zxingcpp.read_barcodes(memoryview(bytes(tab.look(pixels))).cast("B", (148, 148)))
    assert [code.text for code in codes] == [f"{town.url}/feeds/all/"]


def body_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def address_of(mail: EmailMessage, purpose: str) -> str:
    found = re.search(rf"http://\S+/{purpose}/\S+", body_of(mail))
    assert found is not None
    return found[0]
