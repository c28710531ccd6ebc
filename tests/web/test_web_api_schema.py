"""The OpenAPI document is true: whatever Schemathesis makes of it is answered as the document says, with no fault."""

from __future__ import annotations

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
from schemathesis.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from syndicate.model import Keyring
from syndicate.store.engine import Database
from syndicate.web.api.app import build

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def site(database: Database, keyring: Keyring, now: datetime, tmp_path: Path) -> ApiSite:
    site = ApiSite(database, keyring, now, tmp_path, api={"rate": "1000000/1s"})
    site.article()
    assert site.subscriber().status_code == 201
    assert site.send().status_code == 201
    return site


def operations(site: ApiSite) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(site.client.get("/api/openapi.json").json())
    for found in schema.get_all_operations():
        yield found.ok()


def fuzz(site: ApiSite, examples: int) -> int:
    tried = 0
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
        @given(strategy)
        def check(case: Any) -> None:
            nonlocal tried
            case.headers = {**(case.headers or {}), "authorization": f"Bearer {site.token}"}
            response = case.call(session=site.client, base_url="http://testserver")
            case.validate_response(response, checks=CHECKS)
            tried += 1

        check()
    return tried


def test_a_few_requests_of_each_operation(site: ApiSite) -> None:
    assert fuzz(site, 8) > 100


@pytest.mark.slow
def test_many_requests_of_each_operation(site: ApiSite) -> None:
    assert fuzz(site, 150) > 1000
