"""The OpenAPI document is true: whatever Schemathesis makes of it is answered as the document says, with no fault."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from api_site import ApiSite
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from syndicate.model import Keyring
from syndicate.store.engine import Database

REAL = {"source": "newsroom", "number": 1, "digest": "morning", "email": "ann.brand@example.org"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    site = ApiSite(database, keyring, now, tmp_path, api={"rate": "1000000/1s"})
    site.article()
    assert site.subscriber().status_code == 201
    assert site.send().status_code == 201
    return site


@pytest.fixture
def sqlite_site(sqlite_database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    return ApiSite(sqlite_database, keyring, now, tmp_path)


def operations(site: ApiSite) -> Iterator[Any]:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", site.app)
    for found in schema.get_all_operations():
        operation = found.ok()  # type: ignore[union-attr]
        assert operation is not None
        yield operation


def fuzz(site: ApiSite, examples: int) -> Counter[int]:
    """How often each status was the answer."""
    tried: Counter[int] = Counter()
    for operation in operations(site):
        strategy = st.one_of(
            operation.as_strategy(generation_mode=GenerationMode.POSITIVE),
            operation.as_strategy(generation_mode=GenerationMode.NEGATIVE),
        )

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(strategy, st.booleans())
        def check(case: Any, real: bool) -> None:
            if real:  # names and numbers that exist: made-up ones never get far
                for place, value in REAL.items():
                    if place in (case.path_parameters or {}):
                        case.path_parameters[place] = value
                    if isinstance(case.body, dict) and place in case.body:
                        case.body[place] = value
            case.headers = {**(case.headers or {}), "authorization": f"Bearer {site.token}"}
            response = case.call()
            case.validate_response(response, checks=CHECKS)
            tried[response.status_code] += 1

        check()
    return tried


def test_a_few_requests_of_each_operation(site: ApiSite) -> None:
    tried = fuzz(site, 5)
    assert tried[200] > 10, tried
    assert tried[404] > 5, tried
    assert tried[422] > 10, tried


def test_no_operation_answers_without_a_token(sqlite_site: ApiSite) -> None:
    stranger = sqlite_site.client_with(None)
    for operation in operations(sqlite_site):
        path = re.sub("{[^}]+}", "1", operation.path)
        assert stranger.request(operation.method, path).status_code == 401, operation.label


@pytest.mark.slow
def test_many_requests_of_each_operation(site: ApiSite) -> None:
    tried = fuzz(site, 60)
    assert sum(tried.values()) > 1200, tried
    assert tried[200] > 200, tried
    assert tried[201] > 10, tried
    assert tried[409] > 0, tried
    assert tried[422] > 200, tried
