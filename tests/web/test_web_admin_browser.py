"""Operators' journeys in a real Chromium: edit, approve and watch an issue; a person exported and erased; keys alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import httpx
import pyotp
import pytest
from browser import CONTRASTS, TOO_SMALL, TOO_WIDE, Browser, browser
from publisher import Publisher
from running import free_port, until

from syndicate.model import Role
from syndicate.pipeline.operators import accounts
from syndicate.service.wiring import Services

PASSWORD = "a long enough password"
# Neither what is hidden nor the link that shows when it has the focus.
SMALL = f"({TOO_SMALL}).filter(([, , height]) => height > 1)"
PICTURES = os.environ.get("CONSOLE_PICTURES")


def click(tab: Browser, selector: str) -> None:
    tab.look(f"document.querySelector({selector!r}).click()")


def arrived(tab: Browser, expression: str, what: str) -> None:
    def there() -> bool:
        try:
            return bool(tab.look(f"document.readyState === 'complete' && ({expression})"))
        except AssertionError:  # between two pages
            return False

    until(there, what)


def axe_problems(tab: Browser) -> object:
    tab.look(AXE)
    return tab.look("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html.slice(0, 120))]))")


PLACES = (
    "", "/issues", "/issues/1", "/issues/1/ledger", "/issues/1/deliveries/1", "/digests", "/growth", "/subscribers",
    "/subscribers/1", "/subscribers/import", "/suppressions", "/sources", "/api", "/settings", "/audit",
)  # fmt: skip
AXE = (resources.files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8") + ";0"


def test_a_draft_is_signed_in_for_edited_approved_and_watched(tmp_path: Path) -> None:
    with browser(tmp_path) as tab:
        port = free_port()
        publisher = Publisher(
            tmp_path, port=port, digest='approval = "hold"', more="\n[admin]\nenabled = true\n"
        ).write()
        site = f"http://127.0.0.1:{port}"
        publisher.config.write_text(publisher.config.read_text().replace("https://news.courier.example", site))
        publisher.article("storm", title="Storm closes the harbour")
        publisher.article("fair", title="The fair is here")
        services = publisher.services(lambda: datetime.now(UTC))
        accounts.add_operator(services.database, "maria", PASSWORD, Role.OWNER, datetime.now(UTC))
        publisher.run("poll")
        publisher.subscribe(services, 3)
        publisher.run("send", "morning")
        process = publisher.start("web")
        try:
            until(lambda: _answers(site), "the web part is there")
            tab.screen(width=1280)
            tab.open(f"{site}/admin")
            arrived(tab, "location.pathname === '/admin/sign-in'", "the door")
            tab.look(
                f"document.querySelector('#name').value = 'maria'; document.querySelector('#password').value = {PASSWORD!r}"
            )
            click(tab, "main button")
            arrived(tab, "location.pathname === '/admin'", "the overview")
            assert tab.look("document.cookie") == ""
            tab.open(f"{site}/admin/issues/1")
            tab.look("document.querySelector('#subject').value = 'Storm edition'")
            click(tab, "form[action$='/edit'] button")
            arrived(tab, "document.body.textContent.includes('edited by maria')", "the edit")
            assert tab.look("document.querySelector('h1').textContent") == "Issue 1: Storm edition"
            click(tab, "a[href*='/editions/']")
            arrived(tab, "!!document.querySelector('iframe.mail')", "the edition")
            edition = tab.look("location.href")
            for place in PLACES:
                look_over(tab, f"{site}/admin{place}", place)
            import_a_list(tab, site, tmp_path)
            look_over(tab, f"{edition}?width=phone&scheme=dark", "/edition")
            tab.open(f"{site}/admin/issues/1")
            click(tab, "button[value='approve']")
            arrived(tab, "document.querySelector('.state').textContent === 'running'", "approved")
            publisher.run("deliver")
            arrived(tab, "document.querySelector('.state').textContent === 'finished'", "the page follows by itself")
            look_over(tab, f"{site}/admin/issues/1/ledger", "/ledger")
            assert tab.look("document.querySelectorAll('tbody tr').length") == 3
        finally:
            process.terminate()
            process.communicate(timeout=30)
            publisher.close()


def import_a_list(tab: Browser, site: str, folder: Path) -> None:
    """Choose a file, look at what it would do, confirm it: with the keyboard from the file on."""
    file = folder / "list.csv"
    file.write_text("email,name\nann@example.org,Ann\nnobody,\n")
    tab.open(f"{site}/admin/subscribers/import")
    root = tab.send("DOM.getDocument")["root"]["nodeId"]
    chosen = tab.send("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    tab.send("DOM.setFileInputFiles", files=[str(file)], nodeId=chosen)
    tab.look("document.querySelector('#file').focus()")
    for _ in range(3):
        tab.press("Tab")
    assert tab.look("document.activeElement.textContent") == "Look at it first"
    tab.press("Enter")
    arrived(tab, "document.body.textContent.includes('Nothing was stored so far')", "the dry run")
    assert "nobody has no @" in tab.look("document.querySelector('table.rows').textContent")
    look_at(tab, "import-report")
    click(tab, "main form button")
    arrived(tab, "document.querySelector('h1').textContent === 'list.csv was imported'", "the import")
    look_at(tab, "import-done")
    tab.screen(width=1280)


def look_over(tab: Browser, url: str, name: str) -> None:
    """No violation, small or large, light or dark; nothing too wide or too small, all of it legible."""
    tab.screen(width=360)
    assert tab.open(url)["status"] == 200, url
    look_at(tab, name)


def look_at(tab: Browser, name: str) -> None:
    """The same of the page as it stands: one that a form led to cannot be opened again."""
    for width in (360, 1280):
        for dark in (False, True):
            tab.screen(width=width, dark=dark)
            if PICTURES:
                place = name.strip("/").replace("/", "-") or "overview"
                tab.picture(Path(PICTURES) / f"{place}-{width}-{int(dark)}.png")
            found = (tab.troubles(), axe_problems(tab), tab.look(CONTRASTS), tab.look(TOO_WIDE), tab.look(SMALL))
            assert found == ([], [], [], 0, []), (name, width, dark)


@dataclass
class Office:
    """A console with a held draft of three readers, a suppression, and a message that a webhook is owed."""

    url: str
    tab: Browser
    publisher: Publisher
    services: Services
    folder: Path

    def sign_in(self, name: str, code: str = "") -> None:
        """As somebody, from the door; whoever was signed in is so no more."""
        self.tab.send("Network.clearBrowserCookies")
        self.tab.open(f"{self.url}/admin/sign-in")
        fields = {"name": name, "password": PASSWORD, "code": code}
        for field, text in fields.items():
            self.tab.look(f"document.querySelector('#{field}').value = {text!r}")
        click(self.tab, "main button")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    more = (
        '\n[webhook.crm]\nurl = "https://crm.courier.example/hook"\nevents = ["unsubscribed"]\n'
        'secret = "whsec_dGhpcyBpcyBhIHNhbXBsZSwgbWFrZSBvbmU="\n[admin]\nenabled = true\n'
    )
    with browser(folder) as tab:
        publisher = Publisher(folder, port=free_port(), digest='approval = "hold"', more=more).write()
        url = f"http://127.0.0.1:{publisher.port}"
        publisher.config.write_text(publisher.config.read_text().replace("https://news.courier.example", url))
        publisher.article("storm", title="Storm closes the harbour")
        services = publisher.services(lambda: datetime.now(UTC))
        for name in ("maria", "otto"):
            accounts.add_operator(services.database, name, PASSWORD, Role.OWNER, datetime.now(UTC))
        publisher.run("poll")
        publisher.subscribe(services, 5)
        publisher.run("subscribers", "unsubscribe", "reader4@example.org")
        publisher.run("suppressions", "add", "reader3@example.org")
        publisher.run("send", "morning")
        process = publisher.start("web")
        try:
            until(lambda: _answers(url), "the web part is there")
            yield Office(url, tab, publisher, services, folder)
        finally:
            process.terminate()
            process.communicate(timeout=30)
            publisher.close()


def test_a_one_time_code_is_asked_for(office: Office) -> None:
    tab = office.tab
    secret = accounts.set_second_factor(office.services.database, "otto", "Courier", datetime.now(UTC)).secret
    tab.screen(width=1280)
    office.sign_in("otto")
    arrived(tab, "!!document.querySelector('[role=alert]')", "without a code nobody is let in")
    look_at(tab, "sign-in-refused")
    office.sign_in("otto", pyotp.TOTP(secret).now())
    arrived(tab, "location.pathname === '/admin'", "the overview")
    assert tab.look("document.querySelector('form.out').textContent").split()[0] == "otto"
    click(tab, "form.out button")
    arrived(tab, "location.pathname === '/admin/sign-in'", "out again")


@pytest.mark.slow
def test_pages_of_one_entry_and_the_door_have_no_violation(office: Office) -> None:
    tab = office.tab
    office.tab.send("Network.clearBrowserCookies")
    look_over(tab, f"{office.url}/admin/sign-in", "sign-in")
    office.sign_in("maria")
    arrived(tab, "location.pathname === '/admin'", "the overview")
    look_over(tab, f"{office.url}/admin/suppressions/1", "suppression")
    look_over(tab, f"{office.url}/admin/webhooks/1", "webhook")
    look_over(tab, f"{office.url}/admin/api", "api-owed")


def test_a_person_is_exported_and_erased(office: Office) -> None:
    tab, email = office.tab, "reader0@example.org"
    tab.screen(width=1280)
    office.sign_in("maria")
    arrived(tab, "location.pathname === '/admin'", "the overview")
    tab.open(f"{office.url}/admin/subscribers?q=reader0")
    click(tab, "tbody a")
    arrived(tab, f"document.querySelector('h1').textContent === {email!r}", "the person")
    tab.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(office.folder))
    number = int(tab.look("location.pathname.split('/').pop()"))
    click(tab, "form[action$='/export'] button")
    file = office.folder / f"subscriber-{number}.json"
    until(file.exists, "the file is there")
    document = json.loads(file.read_text(encoding="utf-8"))
    assert (document["email"], document["subscriptions"][0]["digest"]) == (email, "morning")
    tab.open(f"{office.url}/admin/subscribers/{number}")
    tab.look("document.querySelector('#confirm').value = 'another@example.org'")
    click(tab, "form[action$='/erase'] button")
    arrived(tab, "!!document.querySelector('[role=alert]')", "the address was another")
    look_at(tab, "not-erased")
    tab.look(f"document.querySelector('#confirm').value = {email!r}")
    click(tab, "form[action$='/erase'] button")
    arrived(tab, "location.pathname === '/admin/subscribers'", "erased")
    tab.open(f"{office.url}/admin/subscribers?q=reader0")
    assert "Nobody." in tab.look("document.querySelector('tbody').textContent")
    assert tab.open(f"{office.url}/admin/subscribers/{number}")["status"] == 410
    tab.open(f"{office.url}/admin/audit")
    said = tab.look("document.querySelector('main').textContent")
    assert "subscriber exported" in said
    assert "subscriber erased" in said
    assert email not in said


def test_the_whole_way_of_an_issue_with_the_keyboard_alone(office: Office) -> None:
    tab = office.tab
    tab.screen(width=1280)
    tab.send("Network.clearBrowserCookies")
    tab.open(f"{office.url}/admin")
    for place, text in (("name", "maria"), ("password", PASSWORD)):
        tab_to(tab, f"e.id === '{place}'")
        tab.send("Input.insertText", text=text)
    tab.press("Enter")
    arrived(tab, "location.pathname === '/admin'", "the overview")
    follow(tab, "e.textContent === 'Issues'", "location.pathname === '/admin/issues'")
    tab.press("Tab")
    assert tab.look("document.activeElement.className") == "skip"
    tab.press("Enter")
    assert tab.look("document.activeElement.id") == "main"
    follow(tab, "e.pathname === '/admin/issues/1'", "location.pathname === '/admin/issues/1'")
    tab_to(tab, "e.id === 'subject'")
    tab.send("Input.insertText", text="Storm edition")
    follow(tab, "e.textContent === 'Save the changes'", "document.body.textContent.includes('edited by maria')")
    assert tab.look("document.querySelector('h1').textContent") == "Issue 1: Storm edition"
    running = "document.querySelector('.state').textContent === 'running'"
    follow(tab, "e.value === 'approve'", running)
    follow(tab, "e.value === 'pause'", "document.querySelector('.state').textContent === 'paused'")
    follow(tab, "e.value === 'resume'", running)
    tab_to(tab, "e.name === 'sure'")
    tab.press(" ")
    follow(tab, "e.value === 'cancel'", "document.querySelector('.state').textContent === 'cancelled'")
    follow(tab, "e.textContent === 'Sign out'", "location.pathname === '/admin/sign-in'")


def tab_to(tab: Browser, wanted: str, most: int = 80) -> None:
    """Press Tab until the element ``e`` that has the focus is the one wanted; each on the way shows that it has it."""
    for _ in range(most):
        tab.press("Tab")
        focus = "(() => { const e = document.activeElement, s = getComputedStyle(e);"
        found, outline = tab.look(f"{focus} return [{wanted}, s.outlineStyle + s.outlineWidth]; }})()")
        assert e_is_body(tab) or outline == "solid3px", tab.look("document.activeElement.outerHTML")
        if found:
            return
    pytest.fail(f"the Tab key does not lead to {wanted}")


def e_is_body(tab: Browser) -> bool:
    """The focus is between the last element and the first."""
    return bool(tab.look("['BODY', 'HTML', 'IFRAME'].includes(document.activeElement.tagName)"))


def follow(tab: Browser, wanted: str, shown: str) -> None:
    """Go to an element with the Tab key, press Enter, and wait for what it leads to."""
    tab_to(tab, wanted)
    tab.press("Enter")
    arrived(tab, shown, shown)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
