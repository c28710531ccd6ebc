"""An operator's journey in a real Chromium: sign in, edit a held draft, look at it, approve it, watch it go."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import httpx
from browser import CONTRASTS, TOO_SMALL, TOO_WIDE, Browser, browser
from publisher import Publisher
from running import free_port, until

from syndicate.model import Role
from syndicate.pipeline.operators import accounts

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
    assert axe_problems(tab) == []
    if PICTURES:
        tab.picture(Path(PICTURES) / "import-report.png")
    click(tab, "main form button")
    arrived(tab, "document.querySelector('h1').textContent === 'list.csv was imported'", "the import")


def look_over(tab: Browser, url: str, name: str) -> None:
    """No violation, small or large, light or dark; nothing too wide or too small, all of it legible."""
    for width in (360, 1280):
        for dark in (False, True):
            tab.screen(width=width, dark=dark)
            assert tab.open(url)["status"] == 200, url
            if PICTURES:
                tab.picture(
                    Path(PICTURES) / f"{name.strip('/').replace('/', '-') or 'overview'}-{width}-{int(dark)}.png"
                )
            found = (tab.troubles(), axe_problems(tab), tab.look(CONTRASTS), tab.look(TOO_WIDE), tab.look(SMALL))
            assert found == ([], [], [], 0, []), (url, width, dark)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False
