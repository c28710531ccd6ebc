"""A publisher's API over a test's database: settings with a push source, tokens, a client that sends them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from syndicate.config import Settings
from syndicate.core.api_scopes import SCOPES
from syndicate.model import Keyring
from syndicate.service.tokens import add_token
from syndicate.service.wiring import Services
from syndicate.store.engine import Database
from syndicate.web.app import make_app

CONSENT = {"wording": "Send me the Morning Courier.", "form": "https://courier.example/join"}


def api_settings(base: Path, **sections: Any) -> Settings:
    """The Harbour Courier with a source of type push."""
    return Settings.model_validate(
        {
            "base": base,
            "site": {
                "title": "The Harbour Courier",
                "url": "https://courier.example",
                "postal_address": "1 Quay Street, Harbourtown",
            },
            "service": {"min_free_disk": 0},
            "source": {"newsroom": {"type": "push"}, "stories": {"type": "folder", "path": "articles"}},
            "feed": {"all": {}},
            "digest": {
                "morning": {"frequencies": ["daily", "weekly"], "topics": ["Port", "Sport", "Town"]},
                "weekend": {"frequencies": ["weekly"], "approval": "hold"},
            },
            "delivery": {"from": "The Harbour Courier <news@courier.example>"},
            "bounce": {"return_path": "bounces@courier.example"},
            **sections,
        }
    )


class ApiSite:
    """``client`` sends a token with every scope; ``now`` is the clock: move it."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        now: datetime,
        base: Path,
        scopes: Sequence[str] = (),
        **sections: Any,
    ) -> None:
        self.now = now
        self.database = database
        self.settings = api_settings(base, **sections)
        self.services = Services(self.settings, clock=lambda: self.now)
        self.services.__dict__["database"] = database
        self.services.__dict__["keyring"] = keyring
        database.webhooks = {name: hook.events for name, hook in self.settings.webhook.items()}
        self.token = self.make_token("everything", *(scopes or SCOPES))
        self.app = make_app(self.services)
        self.client = self.client_with(self.token)

    def make_token(self, name: str, *scopes: str, expires_in: str | None = None) -> str:
        return add_token(self.services, name, scopes, expires_in=expires_in).token

    def client_with(self, token: str | None, *, host: str = "127.0.0.1") -> TestClient:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return TestClient(self.app, raise_server_exceptions=False, headers=headers, client=(host, 50000))

    def article(self, key: str = "ferry", **fields: Any) -> Any:
        given = {
            "title": "The night ferry returns",
            "html": "<p>After six years.</p>",
            "published_at": (self.now - timedelta(hours=1)).isoformat(),
            **fields,
        }
        return self.client.put(f"/api/v1/articles/newsroom/{key}", json=given)

    def subscriber(self, email: str = "ann.brand@example.org", **more: Any) -> Any:
        given = {"email": email, "digest": "morning", "confirmed": True, "consent": CONSENT, **more}
        return self.client.post("/api/v1/subscribers", json=given)

    def send(self, digest: str = "morning", **headers: str) -> Any:
        return self.client.post("/api/v1/issues", json={"digest": digest}, headers=headers)
