"""Looks at what lies on this side: the database, the sources, the templates, the files, the clock."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from syndicate.config.doubts import SECRET_IN_FILE
from syndicate.config.keys import SECTIONS, is_secret, keys_of
from syndicate.config.sources import PolledSource, PushSource
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.doctor.database import DatabaseFacts, judge_database
from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.core.doctor.machine import EXACT, ClockFacts, FileFacts, Holds, judge_files
from syndicate.core.doctor.sources import SourceFacts, judge_sources
from syndicate.errors import ArticleError, SourceError, StoreError
from syndicate.io.files import free_bytes
from syndicate.io.sources import Known
from syndicate.model import SourceItem
from syndicate.service.doctor.checks import Check, Surroundings
from syndicate.service.source_readers import source_reader
from syndicate.service.wiring import utc_now
from syndicate.store import soundness
from syndicate.store.engine import Database
from syndicate.store.overview import SourceStatus, source_statuses
from syndicate.store.schema import current_revision, head_revision, revisions

_LOOK = 5.0  # seconds that a SQLite file is looked through
_MOST = 500  # articles of a source that are tried
_PAGES = 3


def database_name(around: Surroundings) -> str:
    """The database as the operator knows it, without a password."""
    url = around.settings.service.database
    if around.settings.database_path is not None:
        return url.removeprefix("sqlite:///")
    before, _, after = url.rpartition("@")
    return f"{before.partition('://')[0]}://{after}" if before else url


def look_at_database(around: Surroundings) -> list[Finding]:
    """Reachable, schema, soundness, room."""
    path = around.settings.database_path
    facts = DatabaseFacts(
        label=database_name(around),
        least_free=around.settings.service.min_free_disk,
        free=None if path is None else _free(path),
    )
    try:
        with around.database() as database:
            facts = replace(facts, missing=True) if database is None else _looked_into(database, facts)
    except (StoreError, SQLAlchemyError) as error:
        said = str(error).splitlines()[0]
        facts = replace(facts, error=said.rpartition(f"{facts.label}: ")[2])
    return judge_database(facts)


def _looked_into(database: Database, facts: DatabaseFacts) -> DatabaseFacts:
    schema = current_revision(database)
    damage = soundness.damage(database, seconds=_LOOK)
    return replace(
        facts,
        schema=schema,
        newest=head_revision(),
        known_schema=schema in revisions(),
        damage=damage,
        looked_through=damage is not None or database.dialect != "sqlite",
        unsafe=soundness.unsafe_settings(database),
        version=soundness.version(database),
    )


def _free(path: Path) -> int | None:
    folder = next((each for each in path.parents if each.is_dir()), None)
    return None if folder is None else free_bytes(folder)


def source_checks(around: Surroundings) -> list[Check]:
    """One check for each source."""
    settings = around.settings
    if not settings.source:
        return [Check(Group.SOURCES, "sources", lambda: judge_sources([], around.now))]
    return [
        Check(Group.SOURCES, f"source {name}", lambda name=name: judge_sources([_source(around, name)], around.now))  # type: ignore[misc]
        for name in settings.source
    ]


def _source(around: Surroundings, name: str) -> SourceFacts:
    config = around.settings.source[name]
    facts = SourceFacts(name=name, pushed=isinstance(config, PushSource))
    status = _status(around, name)
    if status is not None:
        facts = replace(facts, articles=status.articles, polled_at=status.polled_at, last_error=status.error)
    if isinstance(config, PolledSource):
        facts = _tried(around, replace(facts, interval=config.poll_interval))
    return facts


def _tried(around: Surroundings, facts: SourceFacts) -> SourceFacts:
    items: list[SourceItem] = []
    reader = source_reader(around.settings, facts.name, insist=True, called=frozenset())
    reading = reader.read(Known(all=dict, some=lambda _items: {}), {}, around.now)
    try:
        for page in islice(reading.pages, _PAGES):
            items.extend(page)
        more = len(items) >= _MOST and next(reading.pages, None) is not None
    except SourceError as error:
        return replace(facts, error=str(error))
    finally:
        if isinstance(reading.pages, Generator):  # left in the middle, with what it holds open
            reading.pages.close()
    if reading.error and not items:
        return replace(facts, error=reading.error)
    broken = tuple(_broken(around, facts.name, items[:_MOST]))
    return replace(facts, found=max(reading.seen, len(items)), more=more, broken=broken)


def _broken(around: Surroundings, name: str, items: list[SourceItem]) -> Iterator[tuple[str, str]]:
    defaults = ArticleDefaults.of(around.settings.site, around.settings.source[name])
    for item in items:
        try:
            normalise(item, defaults, lambda _text: None)
        except ArticleError as error:
            yield item.item, str(error)


def _status(around: Surroundings, name: str) -> SourceStatus | None:
    """How the last poll left it; None where nobody can tell, which the database's own check says."""
    try:
        with around.database() as database:
            if database is None or current_revision(database) != head_revision():
                return None
            with database.read() as session:
                return next((each for each in source_statuses(session) if each.source == name), None)
    except StoreError:
        return None


def look_at_templates(around: Surroundings) -> list[Finding]:
    """What ``check`` says of the templates: each rendered with sample articles, and its pre-flight."""
    problems = around.template_problems()
    findings = []
    for problem in problems:
        judge = Judge(Group.TEMPLATES, f"{problem.where}, {problem.key}" if problem.key else problem.where)
        make = judge.error if problem.severity == "error" else judge.warning
        findings.append(make("templates.problem", problem.message))
    if not findings:
        digests = len(around.settings.digest)
        what = f"{digests} digest{'s' * (digests != 1)}, mails and pages" if digests else "mails and pages"
        return [Judge(Group.TEMPLATES, "templates").good("templates.render", f"{what} render with sample articles")]
    return findings


def look_at_files(around: Surroundings) -> list[Finding]:
    """Who may read keys, secrets and the readers' addresses."""
    findings = judge_files(list(_files(around)))
    shown = [
        Judge(Group.FILES, str(around.config)).error("files.secret_in_config", f"{problem.key}: {problem.message}")
        for problem in around.config_problems
        if SECRET_IN_FILE in problem.message
    ]
    return [*shown, *(finding for finding in findings if not (shown and finding.code == "files.private"))]


def _files(around: Surroundings) -> Iterator[FileFacts]:
    settings = around.settings
    yield from _facts(settings.secret_key_path, Holds.KEYS)
    for key in settings.dkim.keys.values():
        yield from _facts(settings.path(key), Holds.KEYS)
    for path in _secret_files(around):
        yield from _facts(path, Holds.SECRET)
    if settings.database_path is not None:
        for suffix in ("", "-wal"):
            yield from _facts(settings.database_path.with_name(settings.database_path.name + suffix), Holds.READERS)
    if settings.delivery.transport == "maildir":
        yield from _facts(settings.path(settings.delivery.outbox), Holds.READERS)


def _facts(path: Path, holds: Holds) -> Iterator[FileFacts]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError:
        yield FileFacts(_short(path), holds, 0, usable=False)
        return
    yield FileFacts(_short(path), holds, stat.S_IMODE(found.st_mode), usable=os.access(path, os.R_OK))


def _short(path: Path) -> str:
    """The path from here when that is shorter: it can be typed either way."""
    return min(str(path), os.path.relpath(path), key=len)


def _secret_files(around: Surroundings) -> Iterator[Path]:
    """The files that ``…_file`` twins of secrets name."""
    for name, kind in SECTIONS.items():
        section = getattr(around.settings, name)
        entries = [section] if kind.form == "one" else section.values() if kind.form == "named" else section
        for entry in entries:
            keys = keys_of(type(entry))
            for key, field in keys.items():
                twin = keys.get(f"{key}_file")
                path = getattr(entry, f"{key}_file", None) if twin is not None and is_secret(field) else None
                if isinstance(path, Path):
                    yield around.settings.path(path)


def database_clock(around: Surroundings) -> list[ClockFacts]:
    """The clock of the database's server."""
    try:
        with around.database() as database:
            theirs = soundness.server_time(database) if database is not None else None
    except StoreError:
        return []
    return [] if theirs is None else [ClockFacts("the database's server", theirs - utc_now(), EXACT)]
