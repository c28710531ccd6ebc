"""The form on another site in a real Chromium: the line with the script, the plain form, and the proof of work."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from browser import Browser, browser
from members_setup import rows
from publisher import Publisher
from running import free_port, until

from syndicate.service.wiring import Services

BLOG = """<!DOCTYPE html><html lang="de"><meta charset="utf-8"><title>A blog</title><h1>A blog</h1>
<link rel="icon" href="data:,"><main>{snippet}</main></html>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Place:
    """A publisher, and a blog at another origin that shows its snippets."""

    url: str
    blog: str
    folder: Path
    tab: Browser
    services: Services

    def snippet(self, number: int) -> None:
        """Open the blog with one of the two snippets of ``/embed``."""
        self.tab.open(f"{self.url}/embed")
        until(lambda: bool(self.tab.look("document.querySelectorAll('textarea').length > 1")), "the snippets")
        text = self.tab.look(f"document.querySelectorAll('textarea')[{number}].value")
        (self.folder / "index.html").write_text(BLOG.format(snippet=text), encoding="utf-8")
        self.tab.open(f"{self.blog}/index.html")

    def wait(self) -> None:
        """As long as a person takes at least."""
        until(lambda: bool(self.tab.look("performance.now() > 2600")), "a person takes longer than a machine")

    def known(self) -> list[str]:
        return [email for (email,) in rows(self.services.database, "SELECT email FROM subscribers ORDER BY id")]

    def elsewhere(self) -> list[str]:
        names: list[str] = self.tab.look("performance.getEntriesByType('resource').map(e => e.name)")
        return [name for name in names if not name.startswith((self.url, self.blog, "data:"))]


@contextmanager
def opened(folder: Path, *, proof: bool) -> Iterator[Place]:
    blog_folder = folder / "blog"
    blog_folder.mkdir()
    blog = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(blog_folder)))
    threading.Thread(target=blog.serve_forever, daemon=True).start()
    publisher = Publisher(folder / "paper", port=free_port(), more=f"[signup]\nproof_of_work = {json.dumps(proof)}\n")
    publisher.write()
    url = f"http://127.0.0.1:{publisher.port}"
    publisher.config.write_text(publisher.config.read_text().replace("https://news.courier.example", url))
    services = publisher.services(None)
    services.database  # noqa: B018 - makes it
    process = publisher.start("web")
    try:
        with browser(folder) as tab:
            until(lambda: _answers(url), "the web part is there")
            yield Place(url, f"http://127.0.0.1:{blog.server_port}", blog_folder, tab, services)
    finally:
        process.terminate()
        process.communicate(timeout=30)
        publisher.close()
        blog.shutdown()
        blog.server_close()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("plain"), proof=False) as place:
        yield place


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("working"), proof=True) as place:
        yield place


def test_one_line_with_a_script(plain: Place) -> None:
    tab = plain.tab
    plain.snippet(0)
    until(lambda: bool(tab.look("!!document.querySelector('.syndicate-form')")), "the form")
    assert tab.look("document.querySelector('.syndicate-form button').innerText") == "Abonnieren"  # the page's language
    assert tab.look("document.querySelector('.syndicate-form').labels === undefined")
    assert tab.look("document.querySelector('.syndicate-form input[type=email]').labels.length") == 1
    plain.wait()
    tab.look("document.querySelector('.syndicate-form input[type=email]').value = 'script@example.org'")
    tab.look("document.querySelector('.syndicate-form button').click()")
    said = "document.querySelector('.syndicate-form [role=status]').innerText"
    until(lambda: bool(tab.look(said)), "the answer")
    assert "Mail mit einem Link" in tab.look(said)
    assert tab.look("location.origin") == plain.blog
    assert "script@example.org" in plain.known()
    assert tab.troubles() == []
    assert plain.elsewhere() == []
    assert tab.send("Network.getCookies", urls=[plain.url, plain.blog])["cookies"] == []
    ((detail,),) = rows(plain.services.database, "SELECT detail FROM consent_events WHERE subscription_id = 1")
    assert json.loads(detail)["form"] == f"embed {plain.blog}"


def test_a_plain_form_is_shown_once_more_with_its_consent(plain: Place) -> None:
    tab = plain.tab
    plain.snippet(1)
    tab.look("document.querySelector('input[type=email]').value = 'form@example.org'")
    tab.look("document.querySelector('button').click()")
    until(lambda: bool(tab.look(f"location.origin === {json.dumps(plain.url)}")), "the publisher's page")
    until(lambda: bool(tab.look("document.readyState === 'complete'")), "all of it")
    assert tab.look("document.querySelector('#email').value") == "form@example.org"
    assert tab.look("!!document.querySelector('.consent')")
    assert "form@example.org" not in plain.known()
    plain.wait()
    tab.look("document.querySelector('form.signup button[type=submit]').click()")
    until(lambda: bool(tab.look("location.pathname === '/subscribe/sent'")), "it is taken")
    assert "form@example.org" in plain.known()


def test_other_origins_may_ask_for_the_form_and_for_nothing_else(plain: Place) -> None:
    plain.snippet(0)

    def asked(path: str, options: str = "{}") -> str:
        call = f"fetch({json.dumps(plain.url + path)}, {options}).then(a => 'read ' + a.status, () => 'refused')"
        return str(plain.tab.look(call))

    assert asked("/subscribe/token?digest=morning") == "read 200"
    form = "{method: 'POST', headers: {accept: 'application/json'}, body: new URLSearchParams({email: 'x'})}"
    assert asked("/subscribe", form) == "read 200"
    wider = "{method: 'POST', headers: {'content-type': 'application/json', accept: 'application/json'}, body: '{}'}"
    assert asked("/subscribe", wider) == "refused"
    for path in ("/", "/subscribe", "/subscribe/challenge", "/privacy", "/preferences/x", "/embed", "/healthz"):
        assert asked(path) == "refused", path
    assert asked("/subscribe", "{method: 'POST', credentials: 'include', body: 'a=b'}") == "refused"
    assert asked("/unsubscribe/x", "{method: 'POST', body: 'List-Unsubscribe=One-Click'}") == "refused"


def test_the_browser_works_for_it(working: Place) -> None:
    tab = working.tab
    tab.open(f"{working.url}/")
    assert tab.look("document.querySelector('[data-computing]').hidden")
    working.wait()
    tab.look("document.querySelector('#email').value = 'worker@example.org'")
    tab.look("document.querySelector('form.signup button[type=submit]').click()")
    until(lambda: bool(tab.look("location.pathname === '/subscribe/sent'")), "it is solved and taken")
    assert working.known() == ["worker@example.org"]


def test_a_solution_serves_once_and_a_wrong_one_never(working: Place) -> None:
    tab = working.tab
    tab.open(f"{working.url}/subscribe?digest=morning")
    # The page's own solver, kept from sending: what it computed is sent by the test, three times.
    tab.look(
        "HTMLFormElement.prototype.submit = function () { window.solved = Object.fromEntries(new FormData(this)) }"
    )
    working.wait()
    tab.look("document.querySelector('#email').value = 'first@example.org'")
    tab.look("document.querySelector('form.signup button[type=submit]').click()")
    until(lambda: bool(tab.look("!!window.solved")), "it is solved")
    form = tab.look("window.solved")
    sent = f"{working.url}/subscribe"

    def send(**changed: str) -> httpx.Response:
        return httpx.post(sent, data=form | changed, headers={"origin": working.url})

    assert "once more" in send(proof=form["proof"][:-8] + "AAAAAAA=", email="wrong@example.org").text
    assert "once more" in send(proof="", email="none@example.org").text
    assert send().headers["location"] == "/subscribe/sent"
    assert "once more" in send(email="again@example.org").text
    assert working.known()[-1] == "first@example.org"


def test_on_another_site_the_work_is_done_on_the_publishers_page(working: Place) -> None:
    tab = working.tab
    working.snippet(0)
    until(lambda: bool(tab.look("!!document.querySelector('.syndicate-form')")), "the form")
    working.wait()
    tab.look("document.querySelector('.syndicate-form input[type=email]').value = 'guest@example.org'")
    tab.look("document.querySelector('.syndicate-form button').click()")
    until(lambda: bool(tab.look(f"location.origin === {json.dumps(working.url)}")), "the publisher's page")
    until(lambda: bool(tab.look("document.readyState === 'complete'")), "all of it")
    assert tab.look("document.querySelector('#email').value") == "guest@example.org"
    working.wait()
    tab.look("document.querySelector('form.signup button[type=submit]').click()")
    until(lambda: bool(tab.look("location.pathname === '/subscribe/sent'")), "it is solved and taken")
    assert working.known()[-1] == "guest@example.org"
