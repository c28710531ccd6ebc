"""What the tests of members share: settings with two digests, and short ways to subscribe."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from syndicate.config import Settings
from syndicate.model import Keyring
from syndicate.pipeline.members.subscribing import Subscribed, Wish, subscribe
from syndicate.store.articles import SEQ, take_numbers
from syndicate.store.engine import Database

SETTINGS = Settings.model_validate(
    {
        "site": {"title": "The Harbour Courier", "url": "https://courier.example"},
        "digest": {
            "morning": {"frequencies": ["daily", "weekly"], "topics": ["Port", "Sport", "Town"]},
            "weekend": {"frequencies": ["weekly"], "optin": "single"},
        },
    }
)


def add(database: Database, keyring: Keyring, email: str, now: Any, **wish: Any) -> Subscribed:
    """An operator subscribes somebody, confirmed unless said otherwise."""
    values: dict[str, Any] = {"digest": "morning", "operator": True, "confirmed": True, "via": "cli"} | wish
    return subscribe(database, SETTINGS, keyring, Wish(email=email, **values), now=now)


def sign_up(database: Database, keyring: Keyring, email: str, now: Any, **wish: Any) -> Subscribed:
    """A stranger fills in the form."""
    return subscribe(database, SETTINGS, keyring, Wish(email=email, **({"digest": "morning"} | wish)), now=now)


def rows(database: Database, query: str, **values: Any) -> list[tuple[Any, ...]]:
    """What a query finds, as tuples."""
    with database.read() as session:
        return [tuple(row) for row in session.connection().execute(text(query), values)]


def set_seq(database: Database, seq: int) -> None:
    """As if that many articles had been numbered."""
    with database.write() as session:
        take_numbers(session, SEQ, seq)


def freeze_at(database: Database, seq: int) -> None:
    """As if an issue had been frozen for everybody."""
    with database.write() as session:
        session.connection().execute(
            text("UPDATE subscriptions SET cursor = :seq, first = :no WHERE state = 'confirmed'"),
            {"seq": seq, "no": False},
        )
