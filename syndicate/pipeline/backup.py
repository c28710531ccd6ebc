"""The verbs ``backup`` and ``restore``: database and keys in one portable file, consistent while others write.

The file: ``manifest.json``, ``secret.key``, then ``tables/NAME/NNNNNN.jsonl``, each with up to 1,000 rows.
A backup of SQLite restores into PostgreSQL and back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from syndicate import __version__
from syndicate.errors import BackupError, KeyFileError, SchemaError
from syndicate.io import archive, keys
from syndicate.store import backup as rows
from syndicate.store import schema
from syndicate.store.engine import Database
from syndicate.store.issues import pause_running

FORMAT = 1
_MANIFEST, _KEYS = "manifest.json", "secret.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupResult:
    """A backup written or restored: when it was taken, at which schema, and rows by table.

    ``paused``: the issues that were running in it; what left after it was taken is not known, so they wait.
    """

    path: Path
    made_at: datetime
    schema: str
    rows: dict[str, int]
    paused: tuple[int, ...] = ()


def backup(database: Database, keys_path: Path, target: Path, now: datetime) -> BackupResult:
    """Write the database as it is at this moment, and its keys, to ``target``. Others may go on writing.

    Raises BackupError (an older backup of that name stays), SchemaError, StoreError.
    """
    schema.require_current(database)
    secret = archive.read_private(keys_path)
    with database.read() as session:
        census = rows.take_census(session)
        revision = schema.head_revision()
        manifest = {
            "format": FORMAT,
            "schema": revision,
            "version": __version__,
            "made_at": now.astimezone(UTC).isoformat(),
            "rows": census.rows,
            "last_ids": census.last_ids,
        }
        with archive.write_archive(target, int(now.timestamp())) as writer:
            writer.add(_MANIFEST, json.dumps(manifest, indent=1).encode())
            writer.add(_KEYS, secret)
            for table in census.rows:
                for number, part in enumerate(rows.dump_table(session, table), start=1):
                    writer.add(f"tables/{table}/{number:06}.jsonl", part)
    return BackupResult(path=target, made_at=now, schema=revision, rows=census.rows)


def restore(database: Database, keys_path: Path, source: Path) -> BackupResult:
    """Fill an empty database from a backup, bring it to this version's schema, and put its keys at ``keys_path``.

    The backup is read to its end before anything is changed. Raises BackupError when it is damaged or foreign, when the
    database already holds something, or when other keys are in place; SchemaError when a newer version wrote it.
    """
    manifest, secret = _verified(source)
    with archive.private_copy(keys_path, secret) as copy:
        in_place = _keys_in_place(copy, keys_path, source)
        _prepare(database, manifest)
        if not in_place:
            # Before the rows: a database without its keys would be given new ones, and lose the links in people's mail.
            archive.put_in_place(copy, keys_path)
    with database.write() as session:
        _refuse_filled(database, session)
        rows.clear(session, list(manifest["rows"]))
        for table, part in _parts(source):
            rows.load_part(session, table, part)
        rows.set_last_ids(session, manifest["last_ids"])
        found = rows.count_rows(session, manifest["rows"])
        if found != manifest["rows"]:
            raise BackupError(f"{source} promises other numbers of rows than arrived; nothing was restored")
    schema.upgrade(database)
    with database.write() as session:
        paused = pause_running(session)
    return BackupResult(
        paused=tuple(paused),
        path=source,
        made_at=datetime.fromisoformat(manifest["made_at"]),
        schema=manifest["schema"],
        rows=manifest["rows"],
    )


def _verified(source: Path) -> tuple[dict[str, Any], bytes]:
    """The manifest and the keys of a backup that was read to its end and holds the rows that it promises."""
    parts = archive.read_archive(source)
    manifest = _manifest(source, next(parts, ("", b"")))
    name, secret = next(parts, ("", b""))
    if name != _KEYS:
        raise BackupError(f"{source} is damaged: the keys are missing. Use another backup")
    counted = dict.fromkeys(manifest["rows"], 0)
    for table, part in _tables(source, parts):
        if table not in counted:
            raise BackupError(f"{source} is damaged: it does not say that it holds {table}. Use another backup")
        counted[table] += part.count(b"\n")
    if counted != manifest["rows"]:
        wrong = ", ".join(name for name, count in counted.items() if count != manifest["rows"][name])
        raise BackupError(f"{source} is damaged: rows of {wrong} are missing. Use another backup")
    return manifest, secret


def _manifest(source: Path, part: tuple[str, bytes]) -> dict[str, Any]:
    name, data = part
    try:
        manifest = json.loads(data) if name == _MANIFEST else {}
        form = manifest["format"]
        if form == FORMAT:
            datetime.fromisoformat(manifest["made_at"])
            complete = isinstance(manifest["schema"], str) and all(
                isinstance(count, int) for part in ("rows", "last_ids") for count in manifest[part].values()
            )
            if complete:
                return dict(manifest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{source} is no backup of Syndicate: it does not begin with a manifest") from error
    if isinstance(form, int) and form > FORMAT:
        raise BackupError(
            f"{source} has format {form}, which this version ({__version__}) does not know; restore it with the "
            f"Syndicate that wrote it ({manifest.get('version', 'a newer one')}) or a newer one"
        )
    raise BackupError(f"{source} is damaged: its manifest is not complete. Use another backup")


def _parts(source: Path) -> Iterator[tuple[str, bytes]]:
    parts = archive.read_archive(source)
    next(parts), next(parts)  # manifest and keys, verified before
    return _tables(source, parts)


def _tables(source: Path, parts: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    for name, part in parts:
        match name.split("/"):
            case ["tables", table, _]:
                yield table, part
            case _:
                raise BackupError(f"{source} is no backup of Syndicate: {name!r} has no place in one")


def _keys_in_place(copy: Path, keys_path: Path, source: Path) -> bool:
    """Whether the backup's keys are at their place already. Raises BackupError for others or damaged ones."""
    try:
        ours = keys.load_keyring(copy)
    except KeyFileError as error:
        raise BackupError(f"{source} is damaged: its keys cannot be read. Use another backup") from error
    if not keys_path.exists():
        return False
    if keys.load_keyring(keys_path) != ours:
        raise BackupError(
            f"{keys_path} holds other keys than {source}; it was not overwritten and nothing was restored. "
            "If no mail went out with those keys, move the file away and restore again"
        )
    return True


def _prepare(database: Database, manifest: dict[str, Any]) -> None:
    """An empty schema of the backup's revision, whatever revision the still empty database was at."""
    revision = manifest["schema"]
    if revision not in schema.revisions():
        raise SchemaError(
            f"the backup is of schema {revision}, which this version (schema {schema.head_revision()}) does not know; "
            "restore it with the Syndicate that wrote it or a newer one"
        )
    current = schema.current_revision(database)
    with database.write() as session:
        _refuse_filled(database, session)
        if current is not None and current != revision:
            rows.drop_schema(session, manifest["rows"])
    schema.upgrade(database, revision=revision)


def _refuse_filled(database: Database, session: Session) -> None:
    held = rows.precious_rows(session)
    if held:
        raise BackupError(
            f"{database.label} already holds {', '.join(held)}; nothing was restored. Name an empty database in "
            "[service] database, or move the file away"
        )
