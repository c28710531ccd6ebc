"""``doctor`` on a real configuration: its database, sources, files, and one click at a running service."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from publisher import Publisher
from running import free_port, running, until
from smtp_server import Authority
from web_servers import Answer, Received, WebServer

from syndicate.config.load import examine, load_settings
from syndicate.core.doctor.finding import Finding, Group, Judge, Verdict
from syndicate.core.links import PROBES, Purpose, sign
from syndicate.errors import StoreError, UsageError
from syndicate.io.address_trial import ask
from syndicate.service.doctor import examination
from syndicate.service.doctor.checks import Check, all_done
from syndicate.service.wiring import Services
from syndicate.store.probes import last_probe


def look(folder: Path, *only: str) -> list[Finding]:
    config = folder / "config.toml"
    _, problems = examine(config, {})
    return examination(
        load_settings(config, {}),
        config=config,
        config_problems=problems,
        template_problems=list,
        only=only or ("database", "sources", "templates", "public", "clock", "files"),
    )


def told(findings: list[Finding], *verdicts: Verdict) -> dict[str, str]:
    return {each.code: each.message for each in findings if not verdicts or each.verdict in verdicts}


def reached_at(folder: Path, url: str, port: int = 8000) -> None:
    """Change where the service is reached, and where it listens."""
    config = folder / "config.toml"
    text = re.sub(r'public_url = ".*"', f'public_url = "{url}"', config.read_text())
    config.write_text(re.sub(r'listen = ".*"', f'listen = "127.0.0.1:{port}"', text))


BAD = (Verdict.ERROR, Verdict.WARNING, Verdict.UNASKED)


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path).write()
    publisher.article("a", title="The ferry sails again")
    return publisher


def test_before_the_first_start(publisher: Publisher, tmp_path: Path) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    findings = look(tmp_path)
    assert told(findings, *BAD) == {}
    assert {"database.new", "sources.readable", "sources.unpolled", "public.silent"} <= set(told(findings))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_one_click_at_a_running_service(tmp_path: Path) -> None:
    port = free_port()
    publisher = Publisher(tmp_path).write()
    reached_at(tmp_path, f"http://127.0.0.1:{port}", port)
    publisher.article("a", title="The ferry sails again")
    with running(publisher):
        until(lambda: _answers(port), "the service to answer")
        findings = look(tmp_path)
        assert told(findings, *BAD) == {}
        good = told(findings, Verdict.GOOD)
        assert {"public.get", "public.post", "database.schema", "database.sound", "files.private"} <= set(good)


def _answers(port: int) -> bool:
    try:
        return ask(f"http://127.0.0.1:{port}/readyz").status == 200
    except Exception:  # noqa: BLE001 - not yet
        return False


@pytest.fixture
def begun(publisher: Publisher, tmp_path: Path) -> Iterator[Services]:
    """A configuration whose database and keys are there."""
    services = Services(load_settings(tmp_path / "config.toml", {}))
    assert services.keyring
    yield services
    services.close()


def proxied(tmp_path: Path, answer: object) -> dict[str, str]:
    """What is told when somebody else answers at the public address."""
    with WebServer(answer) as server:  # type: ignore[arg-type]
        reached_at(tmp_path, server.url)
        return told(look(tmp_path, "public"), Verdict.ERROR)


def test_who_answers_in_our_place(begun: Services, tmp_path: Path) -> None:
    assert set(proxied(tmp_path, lambda _: Answer(body=b"hello"))) == {"public.post_lost"}


def test_a_redirect_before_us(begun: Services, tmp_path: Path) -> None:
    moved = Answer(status=301, headers={"location": "https://elsewhere.example/"})
    assert set(proxied(tmp_path, lambda _: moved)) == {"public.get", "public.post"}


def test_a_log_in_before_us(begun: Services, tmp_path: Path) -> None:
    assert set(proxied(tmp_path, lambda _: Answer(status=401))) == {"public.get", "public.post"}


def test_a_scanner_that_turns_get_into_post(begun: Services, tmp_path: Path) -> None:
    from syndicate.pipeline.members.unsubscribing import unsubscribe

    def answer(request: Received) -> Answer:
        if "/unsubscribe/" in request.path:
            token = request.path.rpartition("/")[2]
            unsubscribe(begun.database, begun.keyring, token, now=begun.clock(), via="one_click")
        return Answer()

    assert set(proxied(tmp_path, answer)) == {"public.get_acts"}


def test_a_link_of_nobody_ends_nothing(begun: Services) -> None:
    from syndicate.pipeline.members.preferences import show_all
    from syndicate.pipeline.members.unsubscribing import undo, unsubscribe

    number = PROBES.start + 7
    token = sign(begun.keyring, Purpose.UNSUBSCRIBE, number)
    now = begun.clock()
    (shown,) = show_all(begun.database, begun.keyring, token, now=now)
    assert shown.subscription.id == number
    with begun.database.read() as session:
        assert last_probe(session) is None
    (ended,) = unsubscribe(begun.database, begun.keyring, token, now=now, via="one_click")
    assert (ended.subscription, ended.changed) == (None, False)
    with begun.database.read() as session:
        assert last_probe(session) == number
    with pytest.raises(Exception, match="does not exist any more"):
        undo(begun.database, begun.keyring, token, now=now)


def test_a_database_that_is_none(publisher: Publisher, tmp_path: Path) -> None:
    path = load_settings(tmp_path / "config.toml", {}).database_path
    assert path is not None
    path.write_bytes(b"no database at all " * 100)
    path.chmod(0o644)
    assert set(told(look(tmp_path, "database,files"), Verdict.ERROR)) == {"database.unusable", "files.public"}
    assert path.read_bytes().startswith(b"no database")


def test_a_damaged_database(begun: Services, tmp_path: Path) -> None:
    path = begun.settings.database_path
    assert path is not None
    begun.close()  # the last one to leave moves all from the -wal file into the database
    data = bytearray(path.read_bytes())
    for page in range(20, len(data) // 4096):  # the inner pages, not the schema's
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)
    assert set(told(look(tmp_path, "database"), Verdict.ERROR)) & {"database.damaged", "database.unusable"}


def test_sources_that_cannot_be_read(publisher: Publisher, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    (tmp_path / "articles" / "broken.md").write_text("---\ntitle: [\n---\n")
    config.write_text(
        config.read_text()
        + '\n[source.cms]\ntype = "database"\nurl = "sqlite:///none.db"\ntable = "news"\ncolumns = {id = "id", title = "t"}\n'
    )
    findings = look(tmp_path, "sources")
    assert told(findings, Verdict.ERROR)["sources.unreadable"].endswith("none.db")
    assert "broken.md" in told(findings, Verdict.WARNING)["sources.broken"]


def test_a_secret_in_a_public_file(publisher: Publisher, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + '\n[[smtp]]\nhost = "relay.example"\nusername = "a"\npassword = "b"\n')
    config.chmod(0o644)
    assert set(told(look(tmp_path, "files"), Verdict.ERROR)) == {"files.secret_in_config"}
    config.chmod(0o640)
    assert told(look(tmp_path, "files"), *BAD) == {}


def test_groups_that_are_none(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--only weather: expected dns, database"):
        look(tmp_path, "spf,weather")


def test_a_check_that_hangs_or_fails_hides_no_other() -> None:
    def hang() -> list[Finding]:
        threading.Event().wait(60)
        return []

    def fail() -> list[Finding]:
        raise ZeroDivisionError("a fault of ours")

    def refuse() -> list[Finding]:
        raise StoreError("the database went away")

    def work() -> list[Finding]:
        return [Judge(Group.MX, "d").good("mx.there", "fine")]

    began = time.monotonic()
    checks = [Check(Group.SPF, name, run) for name, run in (("a", hang), ("b", fail), ("c", refuse), ("d", work))]
    found = all_done(checks, seconds=1.0)
    assert time.monotonic() - began < 30
    assert [(each.thing, each.verdict) for each in found] == [
        ("a", "unasked"), ("b", "unasked"), ("c", "error"), ("d", "good"),
    ]  # fmt: skip
    assert "please report" in found[1].todo


def test_https_and_whose_certificate_is_believed(
    begun: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syndicate.pipeline.members.unsubscribing import unsubscribe

    def answer(request: Received) -> Answer:
        if request.method == "POST":
            token = request.path.rpartition("/")[2]
            unsubscribe(begun.database, begun.keyring, token, now=begun.clock(), via="one_click")
        return Answer()

    authority = Authority()
    with WebServer(answer, context=authority.server()) as server:
        reached_at(tmp_path, server.url)
        unknown = told(look(tmp_path, "public"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file(tmp_path)))
        known = told(look(tmp_path, "public"))
    assert "its certificate is not accepted" in unknown["public.silent"]
    assert set(known) == {"public.local", "public.certificate", "public.get", "public.post"}
    assert "for 127.0.0.1" in known["public.certificate"]
