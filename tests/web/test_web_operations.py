"""What surrounds pages and API: request numbers, hosts, headers, metrics; and the samples of examples/deploy."""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
import time
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from api_site import ApiSite
from fastapi.routing import APIRoute
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.routing import Route

from syndicate.config.sections import Service
from syndicate.core.api_scopes import SCOPES
from syndicate.model import Keyring
from syndicate.service.logs import REQUEST_ID, JsonFormatter, TextFormatter
from syndicate.service.metrics import Metrics
from syndicate.service.passes import build_feeds
from syndicate.shipped import shipped
from syndicate.store.engine import Database
from syndicate.web.api.problems import KINDS

ROOT = Path(__file__).parents[2]
DEPLOY = shipped("examples") / "deploy"
PUBLIC = {"min_free_disk": 0, "public_url": "https://news.courier.example"}


@pytest.fixture
def site(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(sqlite_database, keyring, now, tmp_path)


@pytest.fixture
def public(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(
        sqlite_database, keyring, now, tmp_path, service={**PUBLIC, "allowed_hosts": ["old.courier.example"]}
    )


def test_each_answer_has_a_number_that_only_our_proxy_may_choose(site: ApiSite) -> None:
    given = {"x-request-id": "from-the-proxy.1"}
    ours, stranger = site.client_with(None), site.client_with(None, host="203.0.113.9")
    assert ours.get("/healthz", headers=given).headers["x-request-id"] == "from-the-proxy.1"
    assert re.fullmatch("[0-9a-f]{16}", stranger.get("/healthz", headers=given).headers["x-request-id"])
    assert re.fullmatch("[0-9a-f]{16}", ours.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"])
    assert "x-request-id" in ours.get("/api/v1/nothing").headers
    assert "x-request-id" in ours.get("/no-such-page").headers


def test_what_is_logged_for_a_request_has_its_number(site: ApiSite, caplog: pytest.LogCaptureFixture) -> None:
    lines: list[dict[str, Any]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(self.format(record)))

    handler = Keep()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("syndicate.web.api.gate")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "syndicate"):
            answer = site.subscriber()
    finally:
        logger.removeHandler(handler)
    assert lines[-1]["request_id"] == answer.headers["x-request-id"]
    assert lines[-1]["message"].startswith("api: POST /api/v1/subscribers 201 ")
    assert lines[-1]["message"].endswith("token everything")
    assert "ann.brand" not in caplog.text


def test_text_lines_have_it_too() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "done", None, None)
    assert TextFormatter().format(record).endswith("INFO    done")
    mark = REQUEST_ID.set("abc")
    try:
        assert TextFormatter().format(record).endswith("INFO    done [abc]")
    finally:
        REQUEST_ID.reset(mark)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("news.courier.example", 200),
        ("NEWS.courier.example:443", 200),
        ("old.courier.example", 200),
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("news.courier.example.evil.example", 421),
        ("news.courier.example@evil.example", 400),
        ("", 400),
        ("a b", 400),
    ],
)
def test_only_our_names_are_answered(public: ApiSite, host: str, status: int) -> None:
    client = public.client_with(None)
    assert client.get("/privacy", headers={"host": host}).status_code == status
    assert client.get("/healthz", headers={"host": host}).status_code == 200
    api = client.get("/api/openapi.json", headers={"host": host}).status_code
    assert api == status


def all_routes(app: Any) -> list[tuple[str, str]]:
    """Every path and method of an application, however it is wrapped."""
    found: set[tuple[str, str]] = set()
    waiting, seen = [app], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not hasattr(one, "__dict__"):
            continue
        seen.add(id(one))
        if isinstance(one, Starlette):
            found |= {
                (route.path, method)
                for route in one.routes
                if isinstance(route, Route | APIRoute)
                for method in route.methods or ()
            }
        waiting += [each for name, each in vars(one).items() if name in {"app", "_app", "_pages", "_api"}]
    return sorted(found)


def test_headers_that_keep_browsers_safe_on_every_answer_of_every_route(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path
) -> None:
    site = ApiSite(sqlite_database, keyring, now, tmp_path, service=PUBLIC, admin={"enabled": True})
    client = site.client
    client.headers["host"] = "news.courier.example"
    routes = all_routes(site.app)
    assert len(routes) > 90, routes
    paths = {re.sub(r"{\w+(:int)?}", "1", path).replace("{id:path}", "ferry") for path, _ in routes}
    calls = {(re.sub(r"{[\w:]+}", "1", path), method) for path, method in routes}
    calls |= {(path, "BREW") for path in paths} | {("/nowhere", "GET"), ("/api", "GET"), ("/api/v1/nothing", "GET")}
    statuses = set()
    for path, method in sorted(calls):
        answer = client.request(method, path, follow_redirects=False)
        statuses.add(answer.status_code)
        headers, call = answer.headers, (path, method, answer.status_code)
        policy = headers["content-security-policy"]
        scripts = re.search("script-src ([^;]*)", policy)
        assert "default-src 'none'" in policy, call
        assert scripts is None or scripts[1] in {"'self'", "'none'"}, call
        assert "frame-ancestors" in policy or headers["x-frame-options"], call
        assert headers["x-content-type-options"] == "nosniff", call
        assert headers["referrer-policy"] in {"no-referrer", "same-origin"}, call
        if not path.startswith("/feeds"):  # answered before all else, to programs
            assert headers["strict-transport-security"] == "max-age=31536000", call
            assert headers["x-request-id"], call
        assert answer.status_code < 500, call
    assert {200, 303, 404, 405} <= statuses, statuses
    wrong = client.get("/", headers={"host": "evil.example"})
    assert (wrong.status_code, wrong.headers["x-content-type-options"]) == (421, "nosniff")


def test_feeds_are_safe_to_look_at(site: ApiSite) -> None:
    site.article()
    build_feeds(site.services)
    for path in (
        "/feeds/all/atom.xml",
        "/feeds/all/rss.xml",
        "/feeds/all/feed.json",
        "/feeds.opml",
        "/feeds/x/rss.xml",
    ):
        headers = site.client_with(None).get(path).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'", path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_where_there_is_no_https_none_is_asked_for(site: ApiSite) -> None:
    assert "strict-transport-security" not in site.client.get("/healthz").headers


def test_the_page_of_the_api_needs_nothing_of_others(site: ApiSite) -> None:
    html = site.client_with(None).get("/api/docs").text
    assert "<script" not in html
    assert "style=" not in html
    assert re.findall(r'(?:src|href)="(?:https?:)?//', html) == []
    for kind in KINDS:
        assert f'id="{kind.code}"' in html


def test_a_process_is_ready_with_its_own_schema_and_a_clock_that_ticks(site: ApiSite) -> None:
    client = site.client_with(None)
    assert client.get("/readyz").json() == {"status": "ok"}
    site.services.ticked_at = time.monotonic() - 3600
    assert (client.get("/readyz").status_code, client.get("/healthz").status_code) == (503, 200)
    site.services.ticked_at = time.monotonic()
    for revision in ("0001", "9999"):  # an upgrade that is missing, a newer program beside us
        with site.database.write() as session:
            session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,))
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "schema of another version"})


# -- Metrics ------------------------------------------------------------------------------------------------------


def test_metrics_are_for_this_machine_alone(site: ApiSite) -> None:
    assert site.client_with(None).get("/metrics").status_code == 200
    assert site.client_with(None, host="203.0.113.9").get("/metrics").status_code == 403
    through_a_proxy = site.client_with(None).get("/metrics", headers={"x-forwarded-for": "127.0.0.1"})
    assert through_a_proxy.status_code == 403


def test_or_for_a_token(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> None:
    site = ApiSite(sqlite_database, keyring, now, tmp_path, service={"min_free_disk": 0, "metrics": "token"})
    stranger = site.client_with(site.make_token("watch", "metrics:read"), host="203.0.113.9")
    assert stranger.get("/metrics").status_code == 200
    assert site.client_with(site.make_token("other", "status:read")).get("/metrics").status_code == 403
    assert site.client_with(None).get("/metrics").status_code == 401


def test_or_for_nobody(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> None:
    site = ApiSite(sqlite_database, keyring, now, tmp_path, service={"min_free_disk": 0, "metrics": "off"})
    assert site.client_with(None).get("/metrics").status_code == 404


def samples(site: ApiSite) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = site.client_with(None).get("/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_numbers_are_true(site: ApiSite) -> None:
    site.article()
    site.subscriber()
    site.send()
    site.client.get("/feeds/nothing/rss.xml")
    site.client.get("/no-such-page/12345")
    found = samples(site)
    assert found["syndicate_deliveries", (("state", "queued"),)] == 1
    assert found["syndicate_issues", (("state", "running"),)] == 1
    assert found["syndicate_feed_requests_total", (("status", "404"),)] == 1
    route = (("method", "PUT"), ("route", "/api/v1/articles/{source}/{id:path}"), ("status", "201"))
    assert found["syndicate_http_request_duration_seconds_count", route] == 1
    routes = {dict(labels).get("route") for _, labels in found}
    assert "/no-such-page/12345" not in routes  # a closed list, whatever is asked for
    assert "other" in routes


def test_every_metric_has_its_line_and_every_line_its_metric(site: ApiSite) -> None:
    site.services.ticked_at = 1.0
    site.client.get("/healthz")
    text = Metrics(site.services).text().decode()
    names = {re.sub("_info$", "_info", line.split()[2]) for line in text.splitlines() if line.startswith("# TYPE")}
    told = set(re.findall(r"^\| `(syndicate_\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert names == told


def test_scrapes_ask_the_database_seldom(site: ApiSite) -> None:
    from sqlalchemy import event

    client, asked = site.client_with(None), []
    client.get("/metrics")
    event.listen(site.database.engine, "before_cursor_execute", lambda *_a: asked.append(1))
    for _ in range(20):
        assert client.get("/metrics").status_code == 200
    assert asked == []


# -- Documents and samples ----------------------------------------------------------------------------------------


def test_every_problem_and_scope_is_documented() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    codes = set(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", text, re.MULTILINE))
    assert codes == {(kind.code, str(kind.status)) for kind in KINDS}
    for scope, meaning in SCOPES.items():
        assert f"| {scope} | {meaning} |" in text.replace("`", ""), scope


def test_the_examples_of_the_api_work(
    sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path
) -> None:
    """Each curl command of docs/api.md, as it stands there."""
    site = ApiSite(sqlite_database, keyring, now, tmp_path, digest={"morning": {"approval": "hold"}})
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    commands = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "curl" in block]
    assert len(commands) == 8
    statuses = []
    for block in commands:
        body = re.search(r"-d '(.*?)'", block, re.DOTALL)
        method = re.search(r"-X (\w+)", block)
        path = re.search(r'"\$URL(/[^"]+)"', block)
        key = re.search(r'"Idempotency-Key: ([^"]+)"', block)
        assert path is not None
        assert '-H "Authorization: Bearer $TOKEN"' in block
        headers = {"idempotency-key": key[1]} if key else {}
        document = json.loads(body[1]) if body else None
        answer = site.client.request(method[1] if method else "GET", path[1], json=document, headers=headers)
        statuses.append(answer.status_code)
    assert statuses == [201, 201, 200, 201, 201, 201, 200, 200]


def test_the_verification_of_the_webhooks_page_works() -> None:
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    source = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(source[1], names)  # noqa: S102 - our own page
    from syndicate.config.values import signing_key
    from syndicate.core.webhooks import signed_headers

    secret = "whsec_dGhpcyBpcyBhIHNhbXBsZSwgbWFrZSBvbmU="
    headers = signed_headers(signing_key(secret), 7, b"{}", datetime.fromisoformat("2026-11-22T08:00:00+00:00"))
    assert names["genuine"](secret, headers, b"{}")
    assert not names["genuine"](secret, headers, b"{} ")


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_systemd_takes_the_unit_and_calls_it_safe(tmp_path: Path) -> None:
    text = (DEPLOY / "syndicate.service").read_text()
    unit = tmp_path / "syndicate.service"
    unit.write_text(text.replace("/opt/syndicate/bin/syndicate", "/bin/true"))
    done = subprocess.run(
        [program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, check=False
    )
    if "Failed to" in done.stderr and "syndicate.service" not in done.stderr:
        pytest.skip(done.stderr.strip())
    assert "syndicate.service" not in done.stderr, done.stderr


def test_the_compose_file_is_of_one_piece() -> None:
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert set(document["services"]) == {"db", "run", "worker"}
    secrets = {name for service in document["services"].values() for name in service.get("secrets", [])}
    assert secrets == set(document["secrets"])
    context = (DEPLOY / document["services"]["run"]["build"]["context"]).resolve()
    assert (context / document["services"]["run"]["build"]["dockerfile"]).is_file()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for name in line.split()[1:-1]:
                assert (context / name).exists(), name
                assert f"!{name}" in (context / ".dockerignore").read_text()


def test_what_the_samples_start_is_there() -> None:
    """Commands and options that stand in files nobody runs here are those of the program."""
    from typer.main import get_command

    from syndicate.cli.main import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    started = [service["command"][0] for service in document["services"].values() if "command" in service]
    docker = (DEPLOY / "Dockerfile").read_text()
    found = re.search(r'^CMD \["(\w+)"\]$', docker, re.MULTILINE)
    unit = re.search(
        r"^ExecStart=\S+/syndicate -c \S+/config\.toml (\w+)$", (DEPLOY / "syndicate.service").read_text(), re.MULTILINE
    )
    assert found is not None
    assert unit is not None
    assert {*started, found[1], unit[1]} == {"run", "worker"} <= set(commands)
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert 'ENTRYPOINT ["syndicate"]' in docker
    assert "syndicate" in scripts
    # The variable of compose.yaml is one that the settings know.
    (name,) = document["services"]["run"]["environment"]
    section, _, key = name.removeprefix("SYNDICATE_").lower().partition("__")
    assert (section, key.removesuffix("_file")) == ("service", "database")
    assert f"{key}" in Service.model_fields or key.removesuffix("_file") in Service.model_fields


def test_nginx_and_caddy_take_their_files(tmp_path: Path) -> None:
    nginx = [program("nginx"), "-t", "-c", str(DEPLOY / "nginx-proxy.conf"), "-p", str(tmp_path), "-e", "stderr"]
    done = subprocess.run([*nginx, "-g", f"pid {tmp_path}/nginx.pid;"], capture_output=True, text=True, check=False)
    assert "syntax is ok" in done.stderr, done.stderr
    caddy = [program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile-proxy")]
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(caddy, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
