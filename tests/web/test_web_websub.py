"""``/hub``: what it takes in, what it refuses and in which words, and how often one may ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_host import own_host
from starlette.testclient import TestClient
from websub_world import ROOT, RSS, WebSubWorld

from syndicate.model import Keyring
from syndicate.service.wiring import Services
from syndicate.store import hub as store
from syndicate.store.engine import Database
from syndicate.web import websub as web_websub
from syndicate.web.app import make_app
from syndicate.web.websub import NetworkRates

GOOD = {"hub.mode": "subscribe", "hub.topic": RSS, "hub.callback": "https://reader.example/hook?u=7"}


def client_of(database: Database, folder: Path, keyring: Keyring, **options: Any) -> tuple[TestClient, WebSubWorld]:
    world = WebSubWorld(database, folder, **options)
    services = Services(world.settings, clock=world.clock)
    services.__dict__["database"] = database
    services.__dict__["keyring"] = keyring
    return TestClient(make_app(services), own_host(services), raise_server_exceptions=False), world


@pytest.fixture
def site(sqlite_database: Database, tmp_path: Path, keyring: Keyring) -> tuple[TestClient, WebSubWorld]:
    return client_of(sqlite_database, tmp_path, keyring, networks=[])


def test_a_good_request_is_accepted_and_kept(database: Database, tmp_path: Path, keyring: Keyring) -> None:
    client, world = client_of(database, tmp_path, keyring)
    answer = client.post("/hub", data=GOOD | {"hub.secret": "s", "hub.lease_seconds": "600", "hub.other": "x"})
    assert answer.status_code == 202
    assert world.rows("SELECT topic, callback, host, mode, secret, lease_seconds FROM hub_requests") == [
        (RSS, "https://reader.example/hook?u=7", "reader.example", "subscribe", "s", 600)
    ]
    assert client.post("/hub", data=GOOD | {"hub.mode": "unsubscribe"}).status_code == 202
    assert world.rows("SELECT mode FROM hub_requests") == [("unsubscribe",)]


@pytest.mark.parametrize(("fields", "word"), [({"hub.mode": "publish"}, "hub.mode"), ({"hub.topic": f"{ROOT}/feeds/none/rss.xml"}, "hub.topic"), ({"hub.topic": f"{ROOT}/feeds/all/none.xml"}, "hub.topic"), ({"hub.callback": "x"}, "hub.callback"), ({"hub.callback": "http://127.0.0.1/"}, "private"), ({"hub.secret": "x" * 200}, "hub.secret"), ({"hub.lease_seconds": "soon"}, "hub.lease_seconds")])  # fmt: skip
def test_a_bad_request_is_told_what_is_wrong(
    site: tuple[TestClient, WebSubWorld], fields: dict[str, str], word: str
) -> None:
    client, world = site
    answer = client.post("/hub", data=GOOD | fields)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert word in answer.text
    assert len(answer.text.splitlines()) == 1
    assert world.count("hub_requests") == 0


def test_other_methods_and_forms(site: tuple[TestClient, WebSubWorld]) -> None:
    client, _ = site
    assert client.get("/hub").status_code == 405
    assert client.post("/hub", json=GOOD).status_code == 415
    assert client.post("/hub").status_code == 415
    assert client.post("/hub", content=b"hub.mode=" + b"x" * 70_000, headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 413  # fmt: skip
    assert client.post("/hub", content=b"a=1&" * 1000, headers={"content-type": "application/x-www-form-urlencoded"}).status_code == 400  # fmt: skip


def test_a_full_hub_asks_to_come_again(site: tuple[TestClient, WebSubWorld], monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = site
    monkeypatch.setattr(store, "MOST_WAITING", 0)
    answer = client.post("/hub", data=GOOD)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


def test_one_network_cannot_flood_it(
    sqlite_database: Database, tmp_path: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_websub, "_BURST", 5)
    monkeypatch.setattr(web_websub, "_PER_SECOND", 0.01)
    client, _ = client_of(sqlite_database, tmp_path, keyring)
    answers = [client.post("/hub", data={"a": "b"}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [400] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) == 100


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from([*GOOD, "hub.secret", "hub.lease_seconds"]), st.text(max_size=30)),
    st.booleans(),
)
def test_no_form_breaks_it(site: tuple[TestClient, WebSubWorld], fields: dict[str, str], begin: bool) -> None:
    client, _ = site
    clean = {name: value.encode("utf-8", "replace") for name, value in ((GOOD if begin else {}) | fields).items()}
    assert client.post("/hub", data={"x": b"y"} | clean).status_code in {202, 400}


def test_rates_count_networks_and_recover() -> None:
    now = [1000.0]
    rates = NetworkRates(burst=3, per_second=0.5, clock=lambda: now[0])
    assert [rates.wait("192.0.2.1") for _ in range(3)] == [0, 0, 0]
    assert rates.wait("192.0.2.200") == 2.0
    assert rates.wait("192.0.3.1") == 0
    assert [rates.wait(f"2001:db8:1:{n}::1") for n in range(4)] == [0, 0, 0, 2.0]
    assert rates.wait("unknown") == 0
    now[0] += 2
    assert rates.wait("192.0.2.1") == 0
    assert rates.wait("192.0.2.1") == 2.0
    now[0] += 1000
    assert [rates.wait("192.0.2.1") for _ in range(4)] == [0, 0, 0, 2.0]
