"""All checks of one configuration, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from syndicate.config import Settings
from syndicate.core.doctor.finding import TOGETHER, Finding, Group
from syndicate.errors import Problem, UsageError
from syndicate.io.names import Resolver
from syndicate.service.doctor.checks import Check, Surroundings, all_done
from syndicate.service.doctor.here import (
    database_name,
    look_at_database,
    look_at_files,
    look_at_templates,
    source_checks,
)
from syndicate.service.doctor.mail import mail_checks
from syndicate.service.doctor.returns import mailbox_checks
from syndicate.service.doctor.web import look_at_clock, look_at_public_address
from syndicate.service.wiring import utc_now

_MAIL = frozenset({Group.RELAY, *TOGETHER["dns"]})


def examination(
    settings: Settings,
    *,
    config: Path,
    config_problems: Sequence[Problem],
    template_problems: Callable[[], list[Problem]],
    only: Sequence[str] = (),
    nameserver: str | None = None,
) -> list[Finding]:
    """Look at everything, or at the groups named in ``only``. Raises UsageError for names that are no groups.

    ``config_problems`` and ``template_problems`` are what ``check`` finds. ``nameserver`` is asked instead of the
    system's.
    """
    wanted = _groups(only)
    resolver = Resolver(nameserver)
    around = Surroundings(settings, utc_now(), resolver, config, config_problems, template_problems)
    insist = nameserver is not None or bool(only and wanted & _MAIL)
    checks = [check for check in _all(around, insist=insist) if not wanted or check.group in wanted]
    order = list(Group)
    return all_done(sorted(checks, key=lambda check: order.index(check.group)))


def _all(around: Surroundings, *, insist: bool) -> list[Check]:
    url = around.settings.service.public_url
    return [
        Check(Group.DATABASE, database_name(around), lambda: look_at_database(around)),
        *source_checks(around),
        Check(Group.TEMPLATES, "templates", lambda: look_at_templates(around)),
        *mail_checks(around, insist=insist),
        *mailbox_checks(around),
        Check(Group.PUBLIC, url, lambda: look_at_public_address(around)),
        Check(Group.CLOCK, "clock", lambda: look_at_clock(around)),
        Check(Group.FILES, "files", lambda: look_at_files(around)),
    ]


def _groups(only: Sequence[str]) -> set[Group]:
    names = [name for each in only for name in each.replace(",", " ").split()]
    found: set[Group] = set()
    for name in names:
        if name in TOGETHER:
            found.update(TOGETHER[name])
        elif name in set(Group):
            found.add(Group(name))
        else:
            raise UsageError(f"--only {name}: expected {', '.join([*TOGETHER, *Group])}")
    return found
