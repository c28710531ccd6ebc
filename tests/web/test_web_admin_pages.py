"""The console's pages over one publisher: import, export, search, ledger, charts, what differs, and hostile texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from console_desk import Desk, token
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from members_setup import rows
from sqlalchemy import text
from starlette.testclient import TestClient

from syndicate.errors import TransitionError
from syndicate.model import WebhookEvent
from syndicate.pipeline import control
from syndicate.store.operators import Audited
from syndicate.store.outbox import emit
from syndicate.web.admin import Console
from syndicate.web.admin.frame import Frame
from syndicate.web.admin.guard import Guard, Place
from syndicate.web.admin.uploads import LIMIT

CSV = b"email,name,state\nann@example.org,Ann Hale,confirmed\nno address,,\nreader1@example.org,,\nbo@example.org,Bo,\n"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[Desk]:
    made = Desk(tmp_path, database_url)
    made.publisher.article("storm", title=f"Storm {HOSTILE}")
    made.publisher.run("poll")
    made.publisher.subscribe(made.services, 5)
    made.publisher.run("send", "morning")
    yield made
    made.publisher.close()


@pytest.fixture
def owner(desk: Desk) -> TestClient:
    return desk.signed_in("owner")


def csrf(client: TestClient) -> str:
    return token(client.get("/admin").text)


def upload(client: TestClient, data: bytes = CSV, **fields: str) -> str:
    form = {"csrf": csrf(client), "digest": "morning", **fields}
    answer = client.post("/admin/subscribers/import", data=form, files={"file": ("list.csv", data, "text/csv")})
    assert answer.status_code == 200, answer.text
    return answer.text


def addresses(desk: Desk) -> set[str]:
    return {row[0] for row in rows(desk.services.database, "SELECT email FROM subscribers")}


def people(desk: Desk, *names: tuple[str, str]) -> None:
    lines = "".join(f"{email},{name}\n" for email, name in names)
    file = desk.publisher.folder / "more.csv"
    file.write_text(f"email,name\n{lines}")
    desk.publisher.run("subscribers", "import", str(file), "--confirmed")


def issue_row(desk: Desk, state: str, number: int, **more: object) -> None:
    values = ", ".join(f"{name} = :{name}" for name in ("state", *more))
    with desk.services.database.write() as session:
        statement = f"UPDATE deliveries SET {values} WHERE subscriber_id = :number"  # noqa: S608 - our names
        session.connection().execute(text(statement), {"state": state, "number": number, **more})


def test_an_import_is_looked_at_first_and_stores_nothing(desk: Desk, owner: TestClient) -> None:
    before, log = addresses(desk), rows(desk.services.database, "SELECT action FROM audit")
    page = upload(owner)
    assert addresses(desk) == before
    assert rows(desk.services.database, "SELECT action FROM audit") == log
    assert "Nothing was stored so far" in page
    assert re.search(r"<dt>added</dt><dd>2</dd>", page)
    assert re.search(r"<dt>bad lines</dt><dd class=\"bad\">1</dd>", page)
    assert "no address holds a space" in page
    form = dict(re.findall(r'name="(key|digest)" value="([^"]*)"', page))
    answer = owner.post("/admin/subscribers/confirm-import", data={"csrf": csrf(owner), **form})
    assert answer.status_code == 200
    assert "list.csv was imported" in answer.text
    assert addresses(desk) - before == {"ann@example.org", "bo@example.org"}
    states = dict(
        rows(
            desk.services.database,
            "SELECT email, state FROM subscribers p JOIN subscriptions s ON s.subscriber_id = p.id",
        )
    )
    assert (states["ann@example.org"], states["bo@example.org"]) == ("confirmed", "unconfirmed")
    assert rows(desk.services.database, "SELECT action, about FROM audit ORDER BY id")[-1] == (
        "subscribers imported",
        "list.csv",
    )
    again = owner.post("/admin/subscribers/confirm-import", data={"csrf": csrf(owner), **form})
    assert again.status_code == 410


def test_a_file_is_kept_for_the_operator_who_sent_it(desk: Desk, owner: TestClient) -> None:
    form = dict(re.findall(r'name="(key|digest)" value="([^"]*)"', upload(owner)))
    desk.publisher.run("admin", "list")
    from syndicate.model import Role
    from syndicate.pipeline.operators import accounts

    accounts.add_operator(desk.services.database, "second", "a long enough password", Role.OWNER, desk.now)
    other = desk.signed_in("second")
    other.app = owner.app  # the process that has the file
    answer = other.post("/admin/subscribers/confirm-import", data={"csrf": csrf(other), **form})
    assert answer.status_code == 410


@pytest.mark.parametrize("data", [b"", b"name\nann\n", b"\xff\xfee\x00m\x00", b"\x00\x01\x02"])
def test_a_file_that_is_no_list_is_refused_in_words(owner: TestClient, data: bytes) -> None:
    form = {"csrf": csrf(owner), "digest": "morning"}
    answer = owner.post("/admin/subscribers/import", data=form, files={"file": ("list.csv", data)})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


def test_a_file_that_is_too_large_is_not_read(owner: TestClient) -> None:
    form = {"csrf": csrf(owner), "digest": "morning"}
    huge = b"email\n" + b"x" * LIMIT
    answer = owner.post("/admin/subscribers/import", data=form, files={"file": ("list.csv", huge)})
    assert answer.status_code == 413


def test_an_oversized_form_is_refused_elsewhere(owner: TestClient) -> None:
    form = {"csrf": csrf(owner), "what": "x" * 70_000, "verb": "add"}
    for path in ("suppressions", "subscribers/confirm-import", "issues/1/edit"):
        assert owner.post(f"/admin/{path}", data=form).status_code == 413, path


def test_a_file_without_the_token_of_the_session_is_refused(desk: Desk, owner: TestClient) -> None:
    before = addresses(desk)
    answer = owner.post("/admin/subscribers/import", data={"digest": "morning"}, files={"file": ("l.csv", CSV)})
    assert answer.status_code == 403
    assert addresses(desk) == before


def test_the_export_is_what_an_import_reads(desk: Desk, owner: TestClient) -> None:
    answer = owner.post("/admin/subscribers/export", data={"csrf": csrf(owner), "digest": ""})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="subscribers.csv"'
    assert answer.text == desk.publisher.run("subscribers", "export")
    assert re.search(r"<dt>unchanged</dt><dd>5</dd>", upload(owner, answer.content))


def test_people_are_found_by_their_names_in_any_case(desk: Desk, owner: TestClient) -> None:
    people(desk, ("e@example.org", "Élodie Brun"), ("f@example.org", "ELODIE GRAY"), ("g@example.org", "Bruno Élan"))
    page = owner.get("/admin/subscribers", params={"by": "name", "q": "éLOD"}).text
    assert "e@example.org" in page
    assert "f@example.org" not in page
    assert "f@example.org" in owner.get("/admin/subscribers", params={"by": "name", "q": "elodie g"}).text
    assert "g@example.org" not in owner.get("/admin/subscribers", params={"by": "name", "q": "élan"}).text


def test_a_search_by_name_goes_on_where_it_stopped(desk: Desk, owner: TestClient) -> None:
    people(desk, *((f"same{n}@example.org", "Ann Hale") for n in range(120)))
    seen: list[str] = []
    url = "/admin/subscribers?by=name&q=ann"
    while url:
        page = owner.get(url).text
        seen += re.findall(r"same\d+@example\.org", page)
        more = re.search(r'href="([^"]*after=[^"]*)"', page)
        url = more[1].replace("&amp;", "&") if more else ""
    assert len(seen) == len(set(seen)) == 120


def test_the_ledger_is_filtered_down_to_one_delivery(desk: Desk, owner: TestClient) -> None:
    issue_row(desk, "rejected", 1, reason="hard", relay="mx2", reply_code=550, reply=f"5.1.1 {HOSTILE}", attempts=1)
    issue_row(desk, "rejected", 2, reason="block", relay="mx1", reply_code=554, reply="5.7.1 no", attempts=1)
    issue_row(desk, "accepted", 3, relay="mx1", reply_code=250, reply="ok", attempts=1)

    def found(**query: str) -> set[str]:
        return set(re.findall(r"reader\d@example\.org", owner.get("/admin/issues/1/ledger", params=query).text))

    assert len(found()) == 5
    assert found(state="rejected") == {"reader0@example.org", "reader1@example.org"}
    assert found(state="rejected", code="554") == {"reader1@example.org"}
    assert found(relay="mx1") == {"reader1@example.org", "reader2@example.org"}
    assert found(address="Reader4@Example.org") == {"reader4@example.org"}
    assert found(address="nobody@example.org") == set()
    for query in ({"code": "abc"}, {"state": "sent"}, {"address": "no"}):
        assert owner.get("/admin/issues/1/ledger", params=query).status_code == 400
    page = owner.get("/admin/issues/1/ledger", params={"state": "rejected", "code": "550"}).text
    place = re.search(r'href="(/admin/issues/1/deliveries/\d+)"', page)
    assert place
    one = owner.get(place[1]).text
    assert "5.1.1 &lt;script&gt;" in one
    assert "with this reader in it" in one
    assert owner.get("/admin/issues/2/deliveries/1").status_code == 404


def test_rejected_deliveries_are_retried_by_class(desk: Desk, owner: TestClient) -> None:
    owner.post("/admin/issues/1/act", data={"csrf": csrf(owner), "verb": "approve"})
    for number, reason in ((1, "hard"), (2, "block"), (3, "soft")):
        issue_row(desk, "rejected", number, reason=reason, attempts=1, finished_at="2026-11-28 08:00:00+00")
    form = {"csrf": csrf(owner), "verb": "retry", "class": "block"}
    assert owner.post("/admin/issues/1/act", data=form).status_code == 303
    states = dict(rows(desk.services.database, "SELECT subscriber_id, state FROM deliveries"))
    assert (states[1], states[2], states[3]) == ("rejected", "queued", "rejected")
    assert rows(desk.services.database, "SELECT action FROM audit ORDER BY id")[-1] == ("issue: retry block",)
    assert owner.post("/admin/issues/1/act", data={**form, "class": "none"}).status_code == 400


def test_what_is_in_doubt_is_resolved(desk: Desk, owner: TestClient) -> None:
    owner.post("/admin/issues/1/act", data={"csrf": csrf(owner), "verb": "approve"})
    issue_row(desk, "in_doubt", 1, reason="the process died", finished_at="2026-11-28 08:00:00+00")
    assert "1 in doubt:" in owner.get("/admin/issues/1").text
    owner.post("/admin/issues/1/act", data={"csrf": csrf(owner), "verb": "skip"})
    found = rows(desk.services.database, "SELECT state, resolved FROM deliveries WHERE subscriber_id = 1")
    assert [(state, bool(resolved)) for state, resolved in found] == [("in_doubt", True)]


def test_the_line_of_the_log_and_the_action_are_one(desk: Desk) -> None:
    database = desk.services.database
    before = rows(database, "SELECT count(*) FROM audit")
    audited = Audited(database, "owner", "issue: pause", desk.now, about="issue 1")
    with pytest.raises(TransitionError):  # a draft does not run
        control.pause(audited, 1, desk.now)
    assert not audited.noted
    assert rows(database, "SELECT count(*) FROM audit") == before
    cancel = Audited(database, "owner", "issue: cancel", desk.now, about="issue 1")
    control.cancel(cancel, 1, desk.now)
    assert cancel.noted
    assert rows(database, "SELECT action FROM audit ORDER BY id")[-1] == ("issue: cancel",)


def test_a_suppression_shows_its_evidence_and_is_taken_back(desk: Desk, owner: TestClient) -> None:
    what = {"csrf": csrf(owner), "verb": "add", "what": "reader1@example.org", "note": HOSTILE}
    owner.post("/admin/suppressions", data=what)
    with desk.services.database.write() as session:
        session.connection().execute(
            text(
                "INSERT INTO bounces (fingerprint, issue_id, subscriber_id, cls, status, code, text, sent_at, at)"
                " VALUES ('f', 1, 2, 'hard', '5.1.1', 550, :said, :at, :at)"
            ),
            {
                "said": f"no such user {HOSTILE}",
                "at": "2026-11-28 08:00:00+00"[: 19 if session.get_bind().dialect.name == "sqlite" else None]
                + (".000000" if session.get_bind().dialect.name == "sqlite" else ""),
            },
        )
    found = owner.get("/admin/suppressions", params={"q": "Reader1@example.org"})
    assert found.status_code == 303
    page = owner.get(found.headers["location"])
    assert "no such user" in page.text
    assert "reader1@example.org" in page.text
    person = owner.get("/admin/subscribers/2").text
    assert "no such user" in person
    path = found.headers["location"].partition("/admin")[2]
    assert owner.post(f"/admin{path}/release", data={"csrf": csrf(owner)}).status_code == 303
    assert rows(desk.services.database, "SELECT count(*) FROM suppressions") == [(0,)]
    assert [bool(row[0]) for row in rows(desk.services.database, "SELECT counted FROM bounces")] == [False]
    assert owner.get(f"/admin{path}").status_code == 410


def test_a_source_is_polled_now(desk: Desk) -> None:
    editor = desk.signed_in("editor")
    desk.publisher.article("fair")
    answer = editor.post("/admin/sources/poll", data={"csrf": csrf(editor), "source": "stories"})
    assert answer.status_code == 200
    assert "1 new" in answer.text
    assert editor.post("/admin/sources/poll", data={"csrf": csrf(editor), "source": "none"}).status_code == 410


def test_what_differs_from_the_file_is_said_without_secrets(desk: Desk, owner: TestClient) -> None:
    assert "Nothing: what" in owner.get("/admin/settings").text
    config = desk.publisher.config
    before = config.read_text()
    config.write_text(
        before.replace('send_at = "07:30"', 'send_at = "08:15"').replace(
            "[admin]",
            '[webhook.crm]\nurl = "https://crm.courier.example/h?t=hidden-token"\nevents = ["confirmed"]\nsecret = "whsec_dGhpcyBpcyBhIHNhbXBsZSwgbWFrZSBvbmU="\n[admin]',
        )
    )
    page = owner.get("/admin/settings").text
    assert "<code>digest.morning.send_at</code>" in page
    assert "07:30" in page
    assert "08:15" in page
    assert "<code>webhook.crm.secret</code>" in page
    assert "dGhpcyBpcy" not in page
    assert "hidden-token" not in page
    config.write_text(before + "\nnonsense = 1\n")
    assert "would not start with it" in owner.get("/admin/settings").text


def test_growth_and_outcomes_are_drawn_and_told(desk: Desk, owner: TestClient) -> None:
    owner.post("/admin/issues/1/act", data={"csrf": csrf(owner), "verb": "approve"})
    issue_row(desk, "accepted", 1, attempts=1)
    page = owner.get("/admin/growth").text
    assert "From 0 on" in page
    assert "5 joined and 0 left." in page
    assert "1 of 5 accepted" in page
    assert page.count("The same as a table") == 2
    assert re.search(r'<rect class="p-accepted" x="0.0" y="0" width="20.0"', page)
    assert owner.get("/admin/growth?digest=morning").status_code == 200
    assert owner.get("/admin/growth?digest=none").status_code == 410
    desk.now += timedelta(days=1)
    desk.publisher.run("subscribers", "unsubscribe", "reader1@example.org")
    assert "5 joined and 1 left." in desk.signed_in("viewer").get("/admin/growth").text


def test_digests_show_their_plan(owner: TestClient) -> None:
    page = owner.get("/admin/digests").text
    assert "The next 14 days" in page
    assert page.count("weekly on Monday") >= 2
    assert "waits for approval" in page
    assert "<dt>Confirmed</dt><dd>5</dd>" in page


def test_tokens_and_webhooks_are_listed_without_secrets(desk: Desk, owner: TestClient) -> None:
    secret = desk.publisher.json("tokens", "add", "cms", "--scope", "articles:write")["token"]
    with desk.services.database.write() as session:
        (number,) = emit(session, WebhookEvent.CONFIRMED, {"digest": HOSTILE}, desk.now, subscriber_id=1, only="crm")
        session.connection().execute(text("UPDATE webhook_messages SET state = 'given_up', due_at = NULL"))
    page = owner.get("/admin/api?webhook=crm&state=given_up").text
    assert "articles:write" in page
    assert secret not in page
    assert f"/admin/webhooks/{number}" in page
    assert f"/admin/webhooks/{number}" not in owner.get("/admin/api?state=delivered").text
    assert owner.post(f"/admin/webhooks/{number}/retry", data={"csrf": csrf(owner)}).status_code == 303
    assert rows(desk.services.database, "SELECT state FROM webhook_messages") == [("owed",)]


def places(desk: Desk) -> list[Place]:
    guard = Guard(desk.services, Frame(desk.services.settings, desk.services.templates))
    return Console(desk.services).places(guard)


def test_hostile_texts_stay_texts_on_every_page(desk: Desk, owner: TestClient) -> None:
    people(desk, ("hostile@example.org", "Ann"))
    with desk.services.database.write() as session:
        for statement in (
            "UPDATE subscribers SET name = :bad, language = :bad, timezone = :bad",
            "UPDATE deliveries SET reply = :bad, relay = :bad, reason = :bad",
            "UPDATE issues SET reason = :bad, subject = :bad, period = :bad",
            "UPDATE editions SET subject = :bad",
            "UPDATE articles SET title = :bad",
            "UPDATE sources SET error = :bad",
            "UPDATE audit SET about = :bad",
            "INSERT INTO suppressions (scope, value, reason, note, created_at) SELECT 'domain', :bad, 'manual', :bad, created_at FROM subscribers LIMIT 1",
        ):
            session.connection().execute(text(statement), {"bad": HOSTILE})
        emit(session, WebhookEvent.CONFIRMED, {"digest": HOSTILE}, desk.now, only=HOSTILE)
    for place in places(desk):
        if place.method != "GET" or "edition-mail" in place.path:
            continue
        path = "/admin" + place.path.format(number=1, edition=1, delivery=1)
        for query in ("", f"?q={HOSTILE}&by=name&relay={HOSTILE}&digest=morning&webhook={HOSTILE}"):
            answer = owner.get(path + query)
            assert "<script>alert" not in answer.text, path
            assert "<img src=x" not in answer.text, path
            assert (
                not re.search(r"""\son\w+\s*=\s*["'a-z]""", re.sub(r"&[^;]+;", "", answer.text))
                or HOSTILE not in answer.text
            )
            assert not re.search(r"<script(?! src=)", answer.text), path
            assert "style=" not in answer.text, path
            policy = answer.headers["content-security-policy"]
            assert "unsafe-inline" not in policy
            assert "script-src 'self'" in policy
    mail = owner.get("/admin/issues/1/edition-mail/1")
    assert mail.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert "<script" not in mail.text


def test_another_host_is_refused(desk: Desk, owner: TestClient) -> None:
    assert owner.get("/admin", headers={"host": "evil.example"}).status_code in {400, 421}
    assert owner.post("/admin/suppressions", headers={"host": "evil.example"}).status_code in {400, 421}


def test_readers_get_no_cookie(desk: Desk) -> None:
    client = desk.client()
    for path in ("/", "/feeds/", "/issues/", "/privacy", "/subscribe"):
        assert "set-cookie" not in client.get(path).headers


WORDS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["", "1", "-1", "9" * 30, "a@b.example", "approve", "retry", "\x00", "\ud7ff", "٣", "s1", "d5", "1 z", HOSTILE]
    ),
)
FIELDS = (
    "verb", "sure", "class", "what", "note", "digest", "confirm", "block", "subject", "intro", "article", "undo", "to",
    "source", "key", "confirmed", "choice x", "place x",
)  # fmt: skip
QUERIES = ("q", "by", "after", "before", "state", "relay", "code", "address", "digest", "webhook", "width", "scheme")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_no_form_and_no_query_breaks_a_page(desk: Desk, owner: TestClient, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([each for each in places(desk) if not each.upload]))
    number = data.draw(st.one_of(st.sampled_from(["1", "2", "0", "x", "999999999", "1" * 40, "%00", "٣"])))
    path = "/admin" + place.path.format(number=number, edition=number, delivery=number)
    if place.method == "GET":
        answer = owner.get(path, params=data.draw(st.dictionaries(st.sampled_from(QUERIES), WORDS, max_size=5)))
    else:
        fields = data.draw(st.dictionaries(st.sampled_from(FIELDS), WORDS, max_size=6))
        answer = owner.post(path, data={"csrf": csrf(owner), **fields})
    assert answer.status_code < 500 or answer.status_code == 502, (place.method, path, answer.text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(file=st.one_of(st.binary(max_size=400), st.text(alphabet='email,"\n;@.x\t', max_size=200).map(str.encode)))
def test_no_file_breaks_the_dry_run(desk: Desk, owner: TestClient, file: bytes) -> None:
    before = addresses(desk)
    form = {"csrf": csrf(owner), "digest": "morning"}
    answer = owner.post("/admin/subscribers/import", data=form, files={"file": ("list.csv", file)})
    assert answer.status_code in {200, 400}, answer.text
    assert addresses(desk) == before
