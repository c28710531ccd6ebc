"""The API: who may do what, what it does, and that a request that comes twice does it once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from api_site import CONSENT, ApiSite
from members_setup import rows

from syndicate.cli.documents import issue_document
from syndicate.core.api_scopes import SCOPES
from syndicate.model import Keyring
from syndicate.store.engine import Database
from syndicate.store.issues import get_issue

ANN = "ann.brand@example.org"


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(database, keyring, now, tmp_path)


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(sqlite_database, keyring, now, tmp_path)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"/api/docs#{code}"
    return document


# -- Who may ------------------------------------------------------------------------------------------------------


def test_without_a_valid_token_nothing_is_told(sqlite_site: ApiSite) -> None:
    site = sqlite_site
    answer = site.client_with(None).get("/api/v1/articles")
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer realm="syndicate"'
    problem(site.client_with("syn_wrong").get("/api/v1/articles"), 401, "unauthorized")
    problem(site.client_with(None).post("/api/v1/nothing", content=b"x" * 10_000_000), 401, "unauthorized")
    basic = site.client_with(None).get("/api/v1/articles", headers={"authorization": f"Basic {site.token}"})
    problem(basic, 401, "unauthorized")


def test_a_token_is_kept_as_a_hash_and_its_use_to_the_hour(site: ApiSite) -> None:
    kept = rows(site.database, "SELECT name, token_hash, last_used_at FROM api_tokens")
    assert site.token not in str(kept)
    assert site.client.get("/api/v1/articles").status_code == 200
    site.now += timedelta(minutes=50)
    site.client.get("/api/v1/articles")
    used = rows(site.database, "SELECT last_used_at FROM api_tokens")
    assert "08:00:00" in str(used[0][0])
    site.now += timedelta(minutes=11)
    site.client.get("/api/v1/articles")
    assert "09:00:00" in str(rows(site.database, "SELECT last_used_at FROM api_tokens")[0][0])


def test_a_token_ends_with_its_time(sqlite_site: ApiSite) -> None:
    client = sqlite_site.client_with(sqlite_site.make_token("short", "articles:read", expires_in="1h"))
    assert client.get("/api/v1/articles").status_code == 200
    sqlite_site.now += timedelta(hours=1)
    problem(client.get("/api/v1/articles"), 401, "unauthorized")


CALLS: list[tuple[str, str, str, Any]] = [
    ("articles:read", "GET", "/api/v1/articles", None),
    ("articles:read", "GET", "/api/v1/articles/newsroom/ferry", None),
    ("articles:write", "POST", "/api/v1/articles/newsroom", {"title": "A title"}),
    ("articles:write", "PUT", "/api/v1/articles/newsroom/crane", {"title": "A title"}),
    ("articles:write", "DELETE", "/api/v1/articles/newsroom/ferry", None),
    ("subscribers:read", "GET", "/api/v1/subscribers", None),
    ("subscribers:read", "GET", "/api/v1/subscribers/1", None),
    ("subscribers:read", "POST", "/api/v1/subscribers/lookup", {"email": ANN}),
    ("subscribers:write", "POST", "/api/v1/subscribers", {"email": "ben@example.org", "digest": "morning"}),
    ("subscribers:write", "PATCH", "/api/v1/subscribers/1/subscriptions/morning", {"frequency": "weekly"}),
    ("subscribers:write", "DELETE", "/api/v1/subscribers/1/subscriptions/morning", None),
    ("subscribers:erase", "DELETE", "/api/v1/subscribers/1", None),
    ("suppressions:read", "GET", "/api/v1/suppressions", None),
    ("suppressions:read", "POST", "/api/v1/suppressions/lookup", {"entry": "spam.example"}),
    ("suppressions:write", "POST", "/api/v1/suppressions", {"entry": "other.example"}),
    ("suppressions:write", "DELETE", "/api/v1/suppressions/1", None),
    ("issues:read", "GET", "/api/v1/issues", None),
    ("issues:read", "GET", "/api/v1/issues/1", None),
    ("issues:read", "GET", "/api/v1/digests/morning/preview", None),
    ("issues:read", "GET", "/api/v1/issues/1/contents", None),
    ("issues:write", "PATCH", "/api/v1/issues/2", {"subject": "Storm edition"}),
    ("issues:write", "POST", "/api/v1/issues/2/undo", None),
    ("issues:send", "POST", "/api/v1/issues/2/test", {"email": "editor@courier.example"}),
    ("issues:write", "POST", "/api/v1/issues/1/pause", None),
    ("issues:write", "POST", "/api/v1/issues/1/retry", {}),
    ("issues:write", "POST", "/api/v1/issues/1/resolve", {"as": "skip"}),
    ("issues:write", "POST", "/api/v1/issues/1/cancel", None),
    ("issues:send", "POST", "/api/v1/issues", {"digest": "morning"}),
    ("status:read", "GET", "/api/v1/status", None),
    ("status:read", "GET", "/api/v1/feeds", None),
]


def test_each_operation_needs_its_scope_and_no_other(sqlite_site: ApiSite) -> None:
    site = sqlite_site
    site.article()
    site.subscriber()
    site.send()
    site.subscriber("ben@example.org", digest="weekend")
    assert site.send("weekend").json()["id"] == 2
    site.client.post("/api/v1/suppressions", json={"entry": "spam.example"})
    clients = {scope: site.client_with(site.make_token(scope.replace(":", "."), scope)) for scope in SCOPES}
    before = rows(site.database, "SELECT count(*) FROM articles")
    for scope, method, path, body in CALLS:
        for other, client in clients.items():
            if other != scope:
                found = problem(client.request(method, path, json=body), 403, "forbidden")
                assert scope in found["detail"]
    assert rows(site.database, "SELECT count(*) FROM articles") == before
    order = sorted(
        CALLS, key=lambda call: (call[1] == "DELETE", "cancel" in call[2], call[2] == "/api/v1/subscribers/1")
    )
    for scope, method, path, body in order:
        assert clients[scope].request(method, path, json=body).status_code in {200, 201}, (method, path)


def test_the_calls_above_are_all_operations_but_a_few_of_the_same_scope(sqlite_site: ApiSite) -> None:
    document = sqlite_site.client.get("/api/openapi.json").json()
    named = {
        (method.upper(), scope)
        for path in document["paths"].values()
        for method, operation in path.items()
        for need in operation["security"]
        for scope in need["token"]
    }
    assert named == {(method, scope) for scope, method, _, _ in CALLS}


def test_a_token_for_one_source_is_for_no_other(sqlite_site: ApiSite) -> None:
    site = sqlite_site
    client = site.client_with(site.make_token("cms", "articles:write:newsroom"))
    assert client.put("/api/v1/articles/newsroom/a", json={"title": "A title"}).status_code == 201
    problem(client.put("/api/v1/articles/stories/a", json={"title": "A title"}), 403, "forbidden")
    # Not even with all rights: it is read, not pushed.
    problem(site.client.put("/api/v1/articles/stories/a", json={"title": "A title"}), 404, "not-found")


def test_too_many_requests_are_told_when_to_come_again(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path
) -> None:
    site = ApiSite(sqlite_database, keyring, now, tmp_path, api={"rate": "5/1h"})
    assert [site.client.get("/api/v1/articles").status_code for _ in range(6)] == [200] * 5 + [429]
    answer = site.client.get("/api/v1/articles")
    problem(answer, 429, "too-many-requests")
    assert 600 < int(answer.headers["retry-after"]) <= 721
    other = site.client_with(site.make_token("other", "articles:read"))
    assert other.get("/api/v1/articles").status_code == 200


# -- Bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (lambda c: c.get("/api/v1/nothing"), 404, "not-found"),
        (lambda c: c.get("/api/v1"), 404, "not-found"),
        (lambda c: c.delete("/api/v1/articles"), 405, "method-not-allowed"),
        (lambda c: c.request("BREW", "/api/v1/articles"), 405, "method-not-allowed"),
        (lambda c: c.post("/api/v1/issues", content=b"{", headers={"content-type": "application/json"}), 400, "bad-json"),
        (lambda c: c.post("/api/v1/issues", data={"digest": "morning"}), 415, "unsupported-media-type"),
        (lambda c: c.post("/api/v1/issues", json={"digest": "x" * 70_000}), 413, "too-large"),
        (lambda c: c.post("/api/v1/issues", json={"digest": "morning", "extra": 1}), 422, "invalid"),
        (lambda c: c.post("/api/v1/issues", json=["morning"]), 422, "invalid"),
        (lambda c: c.post("/api/v1/issues", json={"digest": "nothing"}), 404, "not-found"),
        (lambda c: c.get("/api/v1/articles?limit=0"), 422, "invalid"),
        (lambda c: c.get("/api/v1/articles?limit=100000"), 422, "invalid"),
        (lambda c: c.get("/api/v1/articles?cursor=bm9uc2Vuc2U"), 422, "invalid"),
        (lambda c: c.get("/api/v1/issues?cursor=WzFlOTld"), 422, "invalid"),
        (lambda c: c.get("/api/v1/articles?source=%00"), 422, "invalid"),
        (lambda c: c.get("/api/v1/issues/99999999999999999999"), 422, "invalid"),
        (lambda c: c.get("/api/v1/issues/7"), 404, "not-found"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", json={"title": " "}), 422, "invalid"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", json={"title": "A", "html": "x", "text": "x"}), 422, "invalid"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", json={"title": "A", "url": "javascript:alert(1)"}), 422, "invalid"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", json={"title": "A", "language": "!!"}), 422, "invalid"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", content=b'{"title": "\\ud800"}', headers={"content-type": "application/json"}), 422, "invalid"),
        (lambda c: c.put("/api/v1/articles/newsroom/a", json={"title": "A", "published_at": "0001-01-01T00:00:00+14:00"}), 422, "invalid"),
        (lambda c: c.post("/api/v1/subscribers", json={"email": "nobody", "digest": "morning"}), 422, "invalid"),
        (lambda c: c.post("/api/v1/subscribers", json={"email": ANN, "digest": "nothing"}), 404, "not-found"),
        (lambda c: c.post("/api/v1/subscribers", json={"email": ANN, "digest": "morning", "confirmed": True}), 422, "invalid"),
        (lambda c: c.post("/api/v1/subscribers", json={"email": ANN, "digest": "morning", "frequency": "monthly"}), 422, "invalid"),
        (lambda c: c.get("/api/v1/subscribers?state=confirmed"), 422, "invalid"),
        (lambda c: c.post("/api/v1/suppressions", json={"entry": "no domain"}), 422, "invalid"),
        (lambda c: c.delete("/api/v1/suppressions/9"), 404, "not-found"),
    ],
)  # fmt: skip
def test_every_error_is_a_problem(sqlite_site: ApiSite, call: Callable[[Any], Any], status: int, code: str) -> None:
    problem(call(sqlite_site.client), status, code)
    assert rows(sqlite_site.database, "SELECT count(*) FROM source_items") == [(0,)]  # no trace of what was refused


def test_a_body_that_grows_on_its_way_is_refused_too(sqlite_site: ApiSite) -> None:
    pieces = iter([b'{"digest": "', *([b"x" * 30_000] * 4), b'"}'])
    answer = sqlite_site.client.post("/api/v1/issues", content=pieces, headers={"content-type": "application/json"})
    problem(answer, 413, "too-large")


def test_a_fault_of_ours_tells_nothing(sqlite_site: ApiSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syndicate.web.api.issues.list_issues", lambda *_a, **_k: 1 / 0)
    found = problem(sqlite_site.client.get("/api/v1/issues"), 500, "fault")
    assert "detail" not in found


def test_other_sites_scripts_may_not_call_it_unless_they_are_named(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path
) -> None:
    cms = "https://cms.courier.example"
    site = ApiSite(sqlite_database, keyring, now, tmp_path, api={"cors_origins": [cms]})
    ask = {"origin": cms, "access-control-request-method": "PUT"}
    allowed = site.client_with(None).options("/api/v1/articles/newsroom/a", headers=ask)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == cms
    assert site.client.get("/api/v1/articles", headers={"origin": cms}).headers["access-control-allow-origin"] == cms
    for other in ("https://evil.example", "null", "https://cms.courier.example.evil.example"):
        answer = site.client.get("/api/v1/articles", headers={"origin": other})
        assert "access-control-allow-origin" not in answer.headers
        refused = site.client_with(None).options("/api/v1/articles", headers=ask | {"origin": other})
        assert refused.status_code == 401


# -- What it does -------------------------------------------------------------------------------------------------


def test_an_article_is_made_changed_withdrawn_and_comes_back(site: ApiSite) -> None:
    made = site.article("2026/ferry", authors=["Ann Brand"], tags=["Port"], attachments=[
        {"url": "https://courier.example/ferry.mp3", "type": "audio/mpeg", "length": 3}
    ])  # fmt: skip
    assert made.status_code == 201, made.text
    article = made.json()
    assert article["id"] == "2026/ferry"
    assert article["authors"] == ["Ann Brand"]
    assert article["summary"] == "After six years."
    changed = site.article("2026/ferry", title="The night ferry is back")
    assert (changed.status_code, changed.json()["version"], changed.json()["uid"]) == (200, 2, article["uid"])
    again = site.article("2026/ferry", title="The night ferry is back")
    assert (again.status_code, again.json()["version"]) == (200, 2)
    gone = site.client.delete("/api/v1/articles/newsroom/2026/ferry")
    assert gone.json()["withdrawn_at"] is not None
    assert site.client.delete("/api/v1/articles/newsroom/2026/ferry").json() == gone.json()
    problem(site.client.delete("/api/v1/articles/newsroom/2026/other"), 404, "not-found")
    back = site.article("2026/ferry", title="The night ferry is back")
    assert back.json()["withdrawn_at"] is None
    shown = site.client.get("/api/v1/articles/newsroom/2026/ferry").json()
    assert shown["html"] == "<p>After six years.</p>"


def test_an_article_is_cleaned_as_any_other(sqlite_site: ApiSite) -> None:
    made = sqlite_site.article(html='<p onclick="x()">Text<script>alert(1)</script><a href="/a">a</a></p>').json()
    assert "script" not in made["html"]
    assert "onclick" not in made["html"]
    assert 'href="https://courier.example/a"' in made["html"]


def test_pages_of_articles_stay_in_order_while_some_come(site: ApiSite) -> None:
    for number in range(7):
        site.article(f"a{number}", published_at=(site.now - timedelta(hours=number // 2)).isoformat())
    first = site.client.get("/api/v1/articles?limit=3").json()
    site.article("newest", published_at=site.now.isoformat())
    second = site.client.get("/api/v1/articles", params={"limit": 3, "cursor": first["next"]}).json()
    third = site.client.get("/api/v1/articles", params={"limit": 3, "cursor": second["next"]}).json()
    ids = [article["id"] for page in (first, second, third) for article in page["articles"]]
    assert ids == ["a1", "a0", "a3", "a2", "a5", "a4", "a6"]
    assert third["next"] is None
    assert site.client.get("/api/v1/articles?source=stories").json() == {"articles": [], "next": None}


def test_a_reader_is_added_with_the_proof_of_consent(site: ApiSite) -> None:
    made = site.subscriber(name="Ann", topics=["Port"], frequency="weekly")
    assert made.status_code == 201
    assert made.json()["answer"] == "confirmed"
    shown = site.client.post("/api/v1/subscribers/lookup", json={"email": ANN.upper()}).json()
    assert shown["subscriptions"][0]["state"] == "confirmed"
    assert shown["subscriptions"][0]["topics"] == ["port"]
    (proof,) = shown["consent"]
    assert (proof["event"], proof["via"], proof["wording"]) == ("operator_confirmed", "api", CONSENT["wording"])
    again = site.subscriber(frequency="daily")
    assert (again.status_code, again.json()["answer"]) == (200, "already")
    assert again.json()["subscriptions"][0]["topics"] == ["port"]


def test_without_a_declared_consent_the_reader_is_asked(site: ApiSite) -> None:
    client = site.client_with(site.make_token("shop", "subscribers:write"))
    made = client.post("/api/v1/subscribers", json={"email": ANN, "digest": "morning"})
    assert made.json()["answer"] == "confirmation_owed"
    assert rows(site.database, "SELECT count(*) FROM confirmations") == [(1,)]
    declared = client.post(
        "/api/v1/subscribers", json={"email": ANN, "digest": "morning", "confirmed": True, "consent": CONSENT}
    )
    problem(declared, 403, "forbidden")


def test_choices_change_and_end_and_the_reader_is_erased(site: ApiSite) -> None:
    number = site.subscriber().json()["id"]
    path = f"/api/v1/subscribers/{number}/subscriptions/morning"
    changed = site.client.patch(path, json={"frequency": "weekly", "name": "Ann", "pause": "2026-12-24"}).json()
    assert changed["name"] == "Ann"
    assert changed["subscriptions"][0]["frequency"] == "weekly"
    assert changed["subscriptions"][0]["paused_until"].startswith("2026-12-24")
    problem(site.client.patch(path, json={"frequency": "instant"}), 422, "invalid")
    problem(site.client.patch(f"/api/v1/subscribers/{number}/subscriptions/weekend", json={}), 404, "not-found")
    ended = site.client.delete(path)
    assert ended.json() == {"digest": "morning", "state": "unsubscribed", "changed": True}
    assert site.client.delete(path).json()["changed"] is False
    problem(site.client.patch(path, json={"frequency": "daily"}), 409, "conflict")
    assert site.client.delete(f"/api/v1/subscribers/{number}?block=true").json() == {"erased": True}
    problem(site.client.delete(f"/api/v1/subscribers/{number}"), 404, "not-found")
    problem(site.subscriber(), 409, "suppressed")


def test_pages_of_readers_by_digest_and_state(site: ApiSite) -> None:
    for number in range(9):
        site.subscriber(f"r{number}@example.org", digest="weekend" if number % 3 == 0 else "morning")
    site.client.delete("/api/v1/subscribers/2/subscriptions/morning")

    def ids(**query: Any) -> list[int]:
        found, cursor = [], None
        while True:
            page = site.client.get(
                "/api/v1/subscribers", params={"limit": 2, **query} | ({"cursor": cursor} if cursor else {})
            )
            found += [each["id"] for each in page.json()["subscribers"]]
            cursor = page.json()["next"]
            if cursor is None:
                return found

    everybody = ids()
    assert everybody == sorted(everybody, reverse=True)
    assert len(everybody) == 9
    assert len(ids(digest="weekend")) == 3
    assert len(ids(digest="morning")) == 6
    assert ids(digest="morning", state="unsubscribed") == [2]
    assert len(ids(digest="morning", state="confirmed")) == 5


def test_suppressions_come_and_go(site: ApiSite) -> None:
    made = site.client.post("/api/v1/suppressions", json={"entry": ANN, "note": "asked by letter"})
    assert made.status_code == 201
    assert ANN not in made.text
    assert site.client.post("/api/v1/suppressions", json={"entry": ANN}).status_code == 200
    site.client.post("/api/v1/suppressions", json={"entry": "closed.example"})
    listed = site.client.get("/api/v1/suppressions?limit=1").json()
    assert listed["suppressions"][0]["value"] == "closed.example"
    rest = site.client.get("/api/v1/suppressions", params={"cursor": listed["next"]}).json()
    assert [each["id"] for each in rest["suppressions"]] == [made.json()["id"]]
    problem(site.subscriber(), 409, "suppressed")
    assert site.client.delete(f"/api/v1/suppressions/{made.json()['id']}").json() == {"removed": True, "absolved": 0}
    assert site.subscriber().status_code == 201


def test_an_issue_is_composed_and_its_ledger_shown(site: ApiSite) -> None:
    site.article()
    for number in range(5):
        site.subscriber(f"r{number}@example.org")
    issue = site.send().json()
    assert issue["balanced"] is True
    assert issue["counts"]["queued"] == 5
    with site.database.read() as session:
        document = issue_document(get_issue(session, issue["id"]))
    assert issue.keys() == document.keys()  # the names of the contract, as the command line prints them
    path = f"/api/v1/issues/{issue['id']}"
    assert site.client.get(path).json() == issue
    site.client.delete("/api/v1/subscribers/2")
    found, cursor = [], None
    for _ in range(3):
        page = site.client.get(
            f"{path}/deliveries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += [each["subscriber_id"] for each in page["deliveries"]]
        cursor = page["next"]
    assert found == [1, 3, 4, 5, None]
    assert cursor is None
    queued = site.client.get(f"{path}/deliveries?state=queued").json()["deliveries"]
    assert len(queued) == 5
    assert site.client.get(f"{path}/deliveries?state=accepted").json()["deliveries"] == []
    assert site.client.post(f"{path}/pause").json()["state"] == "paused"
    problem(site.client.post(f"{path}/pause"), 409, "conflict")
    assert site.client.post(f"{path}/resume").json()["state"] == "running"
    assert site.client.post(f"{path}/retry", json={"class": "block"}).json()["changed"] == 0
    assert site.client.post(f"{path}/cancel").json()["counts"]["cancelled"] == 5
    site.now += timedelta(seconds=1)
    assert site.send().json()["state"] == "skipped"
    assert [each["id"] for each in site.client.get("/api/v1/issues?state=cancelled").json()["issues"]] == [issue["id"]]


def test_a_draft_is_previewed_and_approved_by_name(site: ApiSite) -> None:
    site.article()
    site.subscriber(digest="weekend")
    draft = site.send("weekend").json()
    assert draft["state"] == "draft"
    shown = site.client.get(f"/api/v1/issues/{draft['id']}/preview").json()
    assert "night ferry" in shown["html"]
    as_ann = site.client.get("/api/v1/digests/weekend/preview?subscriber=1")
    assert as_ann.status_code == 200
    reading = site.client_with(site.make_token("looker", "issues:read"))
    problem(reading.get("/api/v1/digests/weekend/preview?subscriber=1"), 403, "forbidden")
    assert site.client.post(f"/api/v1/issues/{draft['id']}/approve").json()["state"] == "running"
    assert rows(site.database, "SELECT \"by\" FROM issue_events WHERE event = 'approved'") == [("token everything",)]
    problem(site.client.post(f"/api/v1/issues/{draft['id']}/approve"), 409, "conflict")


def test_a_draft_is_edited_and_every_change_taken_back(site: ApiSite) -> None:
    site.article(
        url="https://courier.example/ferry", image="https://courier.example/ferry.jpg", publisher="Harbour Media"
    )
    fog = site.article("fog", title="Fog").json()["uid"]  # handed in without an address
    site.subscriber(digest="weekend")
    path = f"/api/v1/issues/{site.send('weekend').json()['id']}"
    wish = {
        "subject": "Storm edition",
        "intro": "*Good* morning.",
        "pin": [fog],
        "drop": ["https://courier.example/ferry"],
    }
    edited = site.client.patch(path, json=wish)
    assert edited.status_code == 200, edited.text
    assert (edited.json()["subject"], edited.json()["edited_subject"]) == ("Storm edition", "Storm edition")
    assert {each["title"]: (each["pinned"], each["dropped"]) for each in edited.json()["articles"]} == {
        "Fog": (True, False),
        "The night ferry returns": (False, True),
    }
    html = site.client.get(f"{path}/preview").json()["html"]
    assert "<em>Good</em> morning." in html
    assert "night ferry" not in html
    assert site.client.get(f"{path}/contents").json()["events"][-1]["by"] == "token everything"
    tested = site.client.post(f"{path}/test", json={"email": "editor@courier.example"}).json()
    assert (tested["subject"], tested["outcome"]) == ("[test] Storm edition", "accepted")
    assert site.client.post(f"{path}/undo").json()["edited_subject"] is None
    problem(site.client.post(f"{path}/undo"), 422, "invalid")
    assert site.client.patch(path, json={}).status_code == 200
    problem(site.client.patch(path, json={"pin": [fog], "drop": [fog]}), 422, "invalid")
    problem(site.client.patch(path, json={"pin": ["https://courier.example/other"]}), 404, "not-found")
    site.client.patch(path, json={"drop": [fog, "https://courier.example/ferry"]})
    problem(site.client.get(f"{path}/preview"), 409, "conflict")
    assert site.client.patch(path, json={"reset": True}).json()["edited_subject"] is None
    site.client.post(f"{path}/approve")
    problem(site.client.patch(path, json=wish), 409, "conflict")
    problem(site.client.post(f"{path}/undo"), 409, "conflict")
    problem(site.client.post(f"{path}/test", json={"email": "editor@courier.example"}), 409, "conflict")


def test_what_was_handed_in_is_shown(sqlite_site: ApiSite) -> None:
    given: dict[str, Any] = {
        "publisher": "Harbour Media",
        "image": "https://courier.example/ferry.jpg",
        "image_alt": "A ferry",
        "comments": 3,
        "comments_url": "https://courier.example/ferry#comments",
        "popularity": 1.5,
        "category": "Port",
        "pinned": True,
    }
    made = sqlite_site.article(**given).json()
    assert {name: made[name] for name in given} == given


def test_how_things_stand(site: ApiSite) -> None:
    site.article()
    site.subscriber()
    site.send()
    status = site.client.get("/api/v1/status").json()
    assert [each["digest"] for each in status["running"]] == ["morning"]
    assert status["sources"][0]["source"] == "newsroom"
    assert status["now"] == "2026-11-22T08:00:00.000000Z"


# -- The same request twice ---------------------------------------------------------------------------------------


def test_a_key_makes_a_request_happen_once(site: ApiSite) -> None:
    site.article()
    site.subscriber()
    first = site.send(**{"idempotency-key": "monday"})
    again = site.send(**{"idempotency-key": "monday"})
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    problem(site.send("weekend", **{"idempotency-key": "monday"}), 422, "key-reused")
    site.now += timedelta(seconds=1)
    other = site.client_with(site.make_token("other", "issues:send"))
    assert (
        other.post("/api/v1/issues", json={"digest": "morning"}, headers={"idempotency-key": "monday"}).status_code
        == 201
    )
    assert rows(site.database, "SELECT count(*) FROM issues") == [(2,)]


def test_a_request_that_failed_may_be_made_again(sqlite_site: ApiSite) -> None:
    key = {"idempotency-key": "k"}
    bad = sqlite_site.client.post(
        "/api/v1/articles/newsroom", json={"title": "A", "url": "javascript:alert(1)"}, headers=key
    )
    problem(bad, 422, "invalid")
    good = sqlite_site.client.post("/api/v1/articles/newsroom", json={"title": "A"}, headers=key)
    assert good.status_code == 201


def test_one_that_is_being_worked_on_is_not_done_beside_it_and_a_dead_ones_is_taken_over(site: ApiSite) -> None:
    site.article()
    site.subscriber()
    key = {"idempotency-key": "k"}
    issue = site.send(**key).json()
    with site.database.write() as session:  # as if the process had died before it kept its answer
        session.connection().exec_driver_sql("UPDATE api_requests SET status = NULL, answer = NULL")
    answer = site.send(**key)
    problem(answer, 409, "in-progress")
    assert answer.headers["retry-after"] == "2"
    site.now += timedelta(minutes=3)
    assert site.send(**key).json()["id"] == issue["id"]
    assert rows(site.database, "SELECT count(*) FROM issues") == [(1,)]


def test_many_at_once_with_one_key_make_one(site: ApiSite) -> None:
    site.article()
    site.subscriber()
    start = threading.Barrier(6)
    answers: list[Any] = []

    def send() -> None:
        client = site.client_with(site.token)
        start.wait()
        answers.append(client.post("/api/v1/issues", json={"digest": "morning"}, headers={"idempotency-key": "one"}))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.text for answer in answers]
    made = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert len(made) == 1
    assert rows(site.database, "SELECT count(*) FROM issues") == [(1,)]


def test_many_at_once_of_one_article_make_one(site: ApiSite) -> None:
    start = threading.Barrier(5)
    statuses: list[int] = []

    def put(number: int) -> None:
        client = site.client_with(site.token)
        start.wait()
        statuses.append(client.put("/api/v1/articles/newsroom/ferry", json={"title": f"Title {number}"}).status_code)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 200, 200, 201]
    assert rows(site.database, "SELECT count(*) FROM articles") == [(1,)]
