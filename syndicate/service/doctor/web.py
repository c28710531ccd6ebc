"""Looks at the address that readers reach us at, and unsubscribes nobody there by one click."""

from __future__ import annotations

import secrets
from datetime import timedelta

from syndicate.config.values import is_local
from syndicate.core.doctor.finding import Finding
from syndicate.core.doctor.machine import ClockFacts, judge_clock
from syndicate.core.doctor.public_address import OneClick, PublicFacts, judge_public
from syndicate.core.links import PROBES, Purpose, sign, unsubscribe_url
from syndicate.errors import FetchError, KeyFileError, StoreError
from syndicate.io.address_trial import Answered, ask
from syndicate.io.keys import load_keyring
from syndicate.model import Keyring
from syndicate.service.doctor.checks import Surroundings
from syndicate.service.doctor.here import database_clock
from syndicate.service.wiring import utc_now
from syndicate.store.engine import Database
from syndicate.store.facts import known_keys
from syndicate.store.probes import last_probe

_FORM = {"List-Unsubscribe": "One-Click"}
_SAFE = ("GET", "HEAD", "OPTIONS")
_HTTP_DATE = timedelta(seconds=2)  # whole seconds, and the way back


def look_at_public_address(around: Surroundings) -> list[Finding]:
    """The address, its certificate, and the way of a one-click request from there into our database."""
    url = around.settings.service.public_url
    local, serious = is_local(url), around.mail_leaves
    try:
        first = ask(f"{url}/")
        one_click, untried = _one_click(around)
    except FetchError as error:
        return judge_public(PublicFacts(url=url, local=local, serious=serious, error=str(error)), around.now)
    facts = PublicFacts(
        url=url, local=local, serious=serious, certificate=first.certificate, one_click=one_click, untried=untried
    )
    return judge_public(facts, around.now)


def _one_click(around: Surroundings) -> tuple[OneClick | None, str]:
    """What became of a link of nobody; or why none could be made. Raises FetchError."""
    path = around.settings.secret_key_path
    try:
        with around.database() as database:
            if database is None or not path.exists():
                return None, "one-click unsubscribing can be tried when the service has run once"
            with database.read() as session:
                known = known_keys(session)
            return _tried(around, database, load_keyring(path, expected=known)), ""
    except (StoreError, KeyFileError) as error:
        return None, f"one-click unsubscribing could not be tried: {error}"


def _tried(around: Surroundings, database: Database, keyring: Keyring) -> OneClick:
    number = PROBES.start + secrets.randbelow(len(PROBES))
    link = unsubscribe_url(around.settings.service.public_url, sign(keyring, Purpose.UNSUBSCRIBE, number))

    def heard() -> bool:
        with database.read() as session:
            return last_probe(session) == number

    answers: list[Answered] = [ask(link, method) for method in _SAFE]
    too_early = heard()
    post = ask(link, "POST", form=_FORM)
    return OneClick(
        get_status=answers[0].status,
        heard_after_reading=too_early,
        post_status=post.status,
        heard_after_post=heard(),
    )


def look_at_clock(around: Surroundings) -> list[Finding]:
    """Our clock against that of the database's server, and of whoever answers at the public address."""
    return judge_clock([*database_clock(around), *_public_clock(around)])


def _public_clock(around: Surroundings) -> list[ClockFacts]:
    url = around.settings.service.public_url
    if is_local(url):
        return []
    try:
        theirs = ask(f"{url}/", "HEAD").date
    except FetchError:
        return []
    return [] if theirs is None else [ClockFacts(url, theirs - utc_now(), _HTTP_DATE)]
