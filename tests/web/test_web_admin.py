"""The console: who may go where, forms of others, lock-out, one-time codes, and an issue from draft to approved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from console_desk import PASSWORD, Desk, token
from members_setup import rows
from own_host import own_host
from publisher import Publisher
from starlette.testclient import TestClient

from syndicate.errors import UsageError
from syndicate.model import Role, WebhookEvent
from syndicate.pipeline.members.suppressing import suppress
from syndicate.pipeline.operators import accounts
from syndicate.pipeline.operators.signing_in import FAILURES, LOCKED_FOR
from syndicate.store.outbox import emit
from syndicate.web.admin import Console
from syndicate.web.admin.frame import _RANK, Frame
from syndicate.web.admin.guard import COOKIE, Guard
from syndicate.web.app import make_app


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[Desk]:
    made = Desk(tmp_path, database_url)
    yield made
    made.publisher.close()


@pytest.fixture
def drafted(desk: Desk) -> Desk:
    desk.publisher.article("storm")
    desk.publisher.article("fair")
    desk.publisher.run("poll")
    desk.publisher.subscribe(desk.services, 3)
    desk.publisher.run("send", "morning")
    suppress(desk.services.database, desk.services.keyring, "spam.example", note="", now=desk.now)
    with desk.services.database.write() as session:
        emit(session, WebhookEvent.CONFIRMED, {"subscriber_id": 1}, desk.now, subscriber_id=1, only="crm")
    return desk


def test_it_is_not_there_unless_it_is_enabled(tmp_path: Path) -> None:
    services = Publisher(tmp_path).write().services(lambda: datetime.now(UTC))
    client = TestClient(make_app(services), own_host(services))
    assert client.get("/admin").status_code == client.get("/admin/sign-in").status_code == 404
    services.close()


def test_every_route_refuses_who_may_not(drafted: Desk) -> None:
    guard = Guard(drafted.services, Frame(drafted.services.settings, drafted.services.templates))
    places = Console(drafted.services).places(guard)
    clients = {role: drafted.signed_in(role.value) for role in Role}
    stranger = drafted.client()
    for place in places:
        path = "/admin" + place.path.format(number=1, edition=1, delivery=1)
        answer = stranger.request(place.method, path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].endswith("/admin/sign-in")
        for role, client in clients.items():
            if _RANK[role] >= _RANK[place.role]:
                if place.method == "GET":
                    assert client.get(path).status_code == 200, (path, role)
                continue
            csrf = token(client.get("/admin").text)
            answer = client.request(place.method, path, data={"csrf": csrf} if place.method == "POST" else None)
            assert answer.status_code == 403, (path, role)
            assert "This is for the role" in answer.text


def test_no_form_of_others_is_taken(drafted: Desk) -> None:
    client = drafted.signed_in("owner")
    for csrf in ("", "0" * 64):
        answer = client.post("/admin/issues/1/act", data={"csrf": csrf, "verb": "approve"})
        assert answer.status_code == 403
    assert rows(drafted.services.database, "SELECT state FROM issues") == [("draft",)]
    other = token(drafted.signed_in("editor").get("/admin").text)
    assert client.post("/admin/issues/1/act", data={"csrf": other, "verb": "approve"}).status_code == 403
    assert client.post("/admin/sign-out", data={"csrf": other}).status_code == 403


def test_five_wrong_passwords_lock_the_account_for_a_while(desk: Desk) -> None:
    client = desk.client()
    for _ in range(FAILURES):
        assert desk.sign_in(client, "editor", "wrong") == 403
    assert desk.sign_in(client, "editor", PASSWORD) == 403
    assert desk.sign_in(client, "viewer", PASSWORD) == 303
    desk.now += LOCKED_FOR
    assert desk.sign_in(desk.client(), "editor", PASSWORD) == 303


def test_the_cookie_is_for_us_alone_and_ends(desk: Desk) -> None:
    client = desk.client()
    csrf = token(client.get("/admin/sign-in").text)
    before = client.cookies[COOKIE]
    answer = client.post("/admin/sign-in", data={"csrf": csrf, "name": "viewer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/admin"} <= set(cookie.split("; "))
    assert client.cookies[COOKIE] != before
    assert client.cookies[COOKIE] not in str(rows(desk.services.database, "SELECT * FROM operator_sessions"))
    assert client.get("/admin").status_code == 200
    desk.now += desk.services.settings.admin.session_lifetime + timedelta(seconds=1)
    assert client.get("/admin").status_code == 303


def test_signing_out_and_disabling_end_sessions(desk: Desk) -> None:
    client, other = desk.signed_in("owner"), desk.signed_in("editor")
    kept = client.cookies[COOKIE]
    assert client.post("/admin/sign-out", data={"csrf": token(client.get("/admin").text)}).status_code == 303
    client.cookies.set(COOKIE, kept, domain="news.courier.example", path="/admin")
    assert client.get("/admin").status_code == 303
    accounts.set_disabled(desk.services.database, "editor", desk.now, disabled=True)
    assert other.get("/admin").status_code == 303
    assert desk.sign_in(desk.client(), "editor", PASSWORD) == 403


def test_a_code_is_asked_for_and_works_once(desk: Desk) -> None:
    made = accounts.set_second_factor(desk.services.database, "owner", "The Harbour Courier", desk.now)
    code = pyotp.TOTP(made.secret).at(desk.now)
    assert desk.sign_in(desk.client(), "owner", PASSWORD) == 403
    assert desk.sign_in(desk.client(), "owner", PASSWORD, code) == 303
    assert desk.sign_in(desk.client(), "owner", PASSWORD, code) == 403
    assert desk.sign_in(desk.client(), "owner", PASSWORD, made.recovery[0]) == 303
    assert desk.sign_in(desk.client(), "owner", PASSWORD, made.recovery[0]) == 403


def test_short_passwords_and_odd_names_are_refused(desk: Desk) -> None:
    database = desk.services.database
    with pytest.raises(UsageError, match="12 to 1024"):
        accounts.add_operator(database, "ann", "short", Role.OWNER, desk.now)
    with pytest.raises(UsageError, match="cannot be"):
        accounts.add_operator(database, "<ann>", PASSWORD, Role.OWNER, desk.now)
    with pytest.raises(UsageError, match="already"):
        accounts.add_operator(database, "owner", PASSWORD, Role.OWNER, desk.now)


def test_a_draft_is_edited_and_approved(drafted: Desk) -> None:
    client = drafted.signed_in("editor")
    page = client.get("/admin/issues/1").text
    form = {
        "csrf": token(page),
        "subject": "Storm edition",
        "intro": "Stay *dry*.",
        "article": ["https://courier.example/storm", "https://courier.example/fair"],
        "choice https://courier.example/fair": "drop",
    }
    assert client.post("/admin/issues/1/edit", data=form).status_code == 303
    page = client.get("/admin/issues/1").text
    assert "Storm edition" in page
    assert "dropped" in page
    assert "edited by editor" in page
    number = rows(drafted.services.database, "SELECT id FROM editions")[0][0]
    framed = client.get(f"/admin/issues/1/editions/{number}?width=phone&scheme=dark").text
    assert "sandbox title=" in framed
    mail = client.get(f"/admin/issues/1/edition-mail/{number}")
    assert "Stay" in mail.text
    assert mail.headers["content-security-policy"].startswith("sandbox;")
    csrf = token(page)
    assert client.post("/admin/issues/1/act", data={"csrf": csrf, "verb": "cancel"}).status_code == 400
    assert client.post("/admin/issues/1/act", data={"csrf": csrf, "verb": "resume"}).status_code == 409
    assert client.post("/admin/issues/1/act", data={"csrf": csrf, "verb": "approve"}).status_code == 303
    assert rows(drafted.services.database, "SELECT state FROM issues") == [("running",)]
    assert "reader0@example.org" in client.get("/admin/issues/1/ledger?state=queued").text
    actions = [row[0] for row in rows(drafted.services.database, "SELECT action FROM audit ORDER BY id")]
    assert actions[-2:] == ["issue edited", "issue: approve"]


def test_a_person_is_found_shown_and_erased(drafted: Desk) -> None:
    client = drafted.signed_in("owner")
    found = client.get("/admin/subscribers?q=READER1").text
    assert "reader1@example.org" in found
    assert "reader2@example.org" not in found
    number = rows(drafted.services.database, "SELECT id FROM subscribers WHERE email = 'reader1@example.org'")[0][0]
    page = client.get(f"/admin/subscribers/{number}")
    csrf = token(page.text)
    exported = client.post(f"/admin/subscribers/{number}/export", data={"csrf": csrf}).json()
    assert exported["email"] == "reader1@example.org"
    client.post(f"/admin/subscribers/{number}/unsubscribe", data={"csrf": csrf, "digest": "morning"})
    assert "unsubscribed" in client.get(f"/admin/subscribers/{number}").text
    wrong = client.post(f"/admin/subscribers/{number}/erase", data={"csrf": csrf, "confirm": "reader2@example.org"})
    assert wrong.status_code == 400
    right = {"csrf": csrf, "confirm": "Reader1@example.org"}
    assert client.post(f"/admin/subscribers/{number}/erase", data=right).status_code == 303
    assert client.get(f"/admin/subscribers/{number}").status_code == 410
    assert "reader1" not in str(rows(drafted.services.database, "SELECT * FROM audit"))


def test_suppressions_come_and_go(desk: Desk) -> None:
    client = desk.signed_in("editor")
    csrf = token(client.get("/admin/suppressions").text)
    for what in ("spam.example", "ann@example.org"):
        assert client.post("/admin/suppressions", data={"csrf": csrf, "verb": "add", "what": what}).status_code == 303
    page = client.get("/admin/suppressions").text
    assert "spam.example" in page
    assert "ann@example.org" not in page
    client.post("/admin/suppressions", data={"csrf": csrf, "verb": "remove", "what": "ann@example.org"})
    assert rows(desk.services.database, "SELECT value FROM suppressions") == [("spam.example",)]
    assert client.post("/admin/suppressions", data={"csrf": csrf, "verb": "add", "what": "no"}).status_code == 400


def test_settings_hide_what_is_secret(desk: Desk) -> None:
    page = desk.signed_in("owner").get("/admin/settings").text
    assert "Morning Courier" in page
    assert desk.publisher.database not in page
    assert "set, not shown here" in page


def test_looking_writes_nothing(drafted: Desk) -> None:
    client = drafted.signed_in("owner")
    tables = (
        "issues",
        "editions",
        "deliveries",
        "subscribers",
        "subscriptions",
        "audit",
        "operators",
        "operator_sessions",
        "suppressions",
        "webhook_messages",
        "consent_events",
    )

    def everything() -> list[object]:
        return [rows(drafted.services.database, f"SELECT * FROM {name}") for name in tables]  # noqa: S608 - our names

    before = everything()
    guard = Guard(drafted.services, Frame(drafted.services.settings, drafted.services.templates))
    for place in Console(drafted.services).places(guard):
        if place.method == "GET":
            client.get("/admin" + place.path.format(number=1, edition=1, delivery=1))
    assert everything() == before
