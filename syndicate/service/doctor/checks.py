"""What a check is, and how many of them are done at the same time, each bounded in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from syndicate.config import Settings
from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.core.doctor.names import Asking, answered
from syndicate.errors import Problem, SyndicateError
from syndicate.io.names import Resolver
from syndicate.store.engine import Database

_BUSY = timedelta(seconds=5)
SECONDS = 30.0  # for all checks together; each bounds itself below this


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. ``run`` raises nothing but faults of the program and SyndicateErrors."""

    group: Group
    thing: str
    run: Callable[[], list[Finding]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What checks start from. ``problems``: what ``check`` finds in configuration and templates, asked when needed."""

    settings: Settings
    now: datetime
    resolver: Resolver
    config: Path
    config_problems: Sequence[Problem]
    template_problems: Callable[[], list[Problem]]

    @property
    def mail_leaves(self) -> bool:
        """Whether mail reaches others: with a Maildir it stays here."""
        return self.settings.delivery.transport == "smtp"

    def asked(self, asking: Asking[list[Finding]]) -> list[Finding]:
        """Lead rules that ask the DNS to their findings."""
        return answered(asking, self.resolver.ask)

    @contextmanager
    def database(self) -> Iterator[Database | None]:
        """The database, only looked into; None when it is a file that is not there yet. Raises StoreError."""
        path = self.settings.database_path
        if path is not None and not path.exists():
            yield None
            return
        database = Database(self.settings.database_url, busy_timeout=_BUSY, pool_size=1, changes=False)
        try:
            yield database
        finally:
            database.close()


def all_done(checks: Sequence[Check], seconds: float = SECONDS) -> list[Finding]:
    """Do all checks at the same time; the findings are in the order of the checks.

    What is not done in time could not be asked. Its thread is left behind: it ends with the process at the latest.
    """
    done: dict[int, list[Finding]] = {}
    threads = [
        threading.Thread(target=_do, args=(check, number, done), name=f"doctor-{check.group}", daemon=True)
        for number, check in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return [
        finding
        for number, check in enumerate(checks)
        for finding in done.get(number)
        or ([] if number in done else [_judge(check).unasked("doctor.too_slow", f"took longer than {seconds:g} s")])
    ]


def _do(check: Check, number: int, done: dict[int, list[Finding]]) -> None:
    try:
        done[number] = check.run()
    except SyndicateError as error:
        done[number] = [_judge(check).error("doctor.failed", str(error))]
    except Exception as error:  # noqa: BLE001 - one check that fails hides none of the others
        what = f"the check itself failed ({type(error).__name__}: {error})"
        done[number] = [_judge(check).unasked("doctor.fault", what, "please report this line")]


def _judge(check: Check) -> Judge:
    return Judge(check.group, check.thing)
