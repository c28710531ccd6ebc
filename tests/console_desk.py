"""A publisher whose console is on, with an operator of each role: for tests of /admin."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from own_host import own_host
from publisher import Publisher
from starlette.testclient import TestClient

from syndicate.model import Role
from syndicate.pipeline.operators import accounts
from syndicate.service.wiring import Services
from syndicate.web.app import make_app

PASSWORD = "a long enough password"


class Desk:
    """A publisher with a held draft, and one operator of each role."""

    def __init__(self, folder: Path, url: str) -> None:
        more = "\n[admin]\nenabled = true\n"
        self.publisher = Publisher(folder, database=url, digest='approval = "hold"', more=more).write()
        self.now = datetime.now(UTC)
        self.services: Services = self.publisher.services(lambda: self.now)
        self.services.config_file = self.publisher.config
        for role in Role:
            accounts.add_operator(self.services.database, role.value, PASSWORD, role, self.now)

    def client(self) -> TestClient:
        return TestClient(make_app(self.services), base_url=own_host(self.services), follow_redirects=False)

    def signed_in(self, name: str, code: str = "") -> TestClient:
        client = self.client()
        assert self.sign_in(client, name, PASSWORD, code) == 303
        return client

    def sign_in(self, client: TestClient, name: str, password: str, code: str = "") -> int:
        csrf = token(client.get("/admin/sign-in").text)
        form = {"csrf": csrf, "name": name, "password": password, "code": code}
        return client.post("/admin/sign-in", data=form).status_code


def token(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
    assert found
    return found[1]
