"""Pages are tried before a reader asks for them; one that is broken all the same is told without a traceback."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

import pytest
from members_setup import SETTINGS
from own_host import own_host
from starlette.testclient import TestClient

from syndicate.config import Settings
from syndicate.io.templates import read_templates
from syndicate.model import Keyring
from syndicate.service.wiring import Services
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.web.app import make_app
from syndicate.web.page_trial import SAMPLES, page_problems

FRAMES = {"base", "macros", "signup_form"}
SHIPPED = read_templates([shipped("templates")])


def test_what_is_shipped_has_no_problem_and_every_page_is_tried() -> None:
    assert page_problems(SHIPPED, SETTINGS) == []
    pages = {Path(name).stem for name in SHIPPED if name.startswith("pages/") and name.endswith(".html")}
    assert pages - FRAMES == SAMPLES.keys()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("landing", "{{ site.title }}"),
        ("confirm", "{{ words.confirm_not_you }}"),
        ("macros", "{{ feed.title }}"),
        ("base", "{{ style }}"),
    ],
)
def test_a_fault_in_a_page_is_named_with_its_place(name: str, change: str) -> None:
    broken = SHIPPED[f"pages/{name}.html"].replace(change, "{{ nowhere.to_be_found }}", 1)
    line = broken[: broken.index("nowhere")].count("\n") + 1
    found = page_problems(SHIPPED | {f"pages/{name}.html": broken}, SETTINGS)
    assert [(problem.where, problem.key, problem.message) for problem in found] == [
        (f"templates/pages/{name}.html", f"line {line}", "'nowhere' is undefined")
    ]


def test_what_stands_in_one_branch_only_is_tried_too() -> None:
    broken = SHIPPED["pages/confirm.html"].replace("{% else %}", "{{ yes }}\n{% else %}\n{{ no }}")
    found = page_problems(SHIPPED | {"pages/confirm.html": broken}, SETTINGS)
    assert [problem.message for problem in found] == ["'no' is undefined", "'yes' is undefined"]


@pytest.fixture
def client(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path, request: pytest.FixtureRequest
) -> TestClient:
    (tmp_path / "templates" / "pages").mkdir(parents=True)
    (tmp_path / "templates" / "pages" / f"{request.param}.html").write_text("<h1>\n{{ site.titel }}</h1>\n")
    settings = Settings.model_validate(SETTINGS.model_dump(exclude_unset=True, by_alias=True) | {"base": tmp_path})
    services = Services(settings, clock=lambda: now)
    services.__dict__["database"] = sqlite_database
    services.__dict__["keyring"] = keyring
    return TestClient(make_app(services), own_host(services), raise_server_exceptions=True)


@pytest.mark.parametrize("client", ["landing", "base"], indirect=True)
def test_a_broken_page_is_told_in_one_line_and_the_reader_gets_the_error_page(
    client: TestClient, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.params["client"]
    with caplog.at_level(logging.ERROR):
        answer = client.get("/")
    assert answer.status_code >= 500
    assert "<h1>Something went wrong</h1>" in answer.text
    assert "titel" not in answer.text
    # Where the frame itself is broken, the error page is as well: a bare one stands in for it.
    assert ("To the start page" in answer.text) is (name == "landing")
    assert caplog.messages[0] == (
        f"a page could not be shown: template pages/{name}.html, line 2: 'dict object' has no attribute 'titel'"
    )
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize("client", ["error"], indirect=True)
def test_a_broken_error_page_breaks_no_other(client: TestClient) -> None:
    assert client.get("/").status_code == 200
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "<h1>There is no such page</h1>" in answer.text
