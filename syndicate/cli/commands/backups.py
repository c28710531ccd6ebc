"""``backup`` and ``restore``: database and keys together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup file.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup", epilog=example("syndicate backup /var/backups/syndicate.tar.gz"))(backup)
    app.command("restore", epilog=example("syndicate -c new/config.toml restore syndicate.tar.gz"))(restore)


def backup(ctx: typer.Context, file: File, as_json: JsonOption = False) -> None:
    """Write database and keys to one file, consistent while the service runs."""
    from syndicate.pipeline.backup import backup as write_backup

    call = invocation(ctx, as_json)
    with call.services() as services:
        _ = services.keyring
        result = write_backup(services.database, call.settings.secret_key_path, file, services.clock())
    call.output.document({"file": file, "made_at": result.made_at, "schema": result.schema, "rows": result.rows})
    call.output.text(f"{file}: {sum(result.rows.values())} rows of {len(result.rows)} tables, and the keys")
    call.output.text("It holds addresses and secrets: keep it where only you can read it.")


def restore(ctx: typer.Context, file: File, as_json: JsonOption = False) -> None:
    """Fill an empty database from a backup, also one of the other kind of database, and put its keys in place."""
    from syndicate.pipeline.backup import restore as read_backup
    from syndicate.store.engine import Database

    call = invocation(ctx, as_json)
    call.settings.make_database_folder()
    database = Database(call.settings.database_url)
    try:
        result = read_backup(database, call.settings.secret_key_path, file)
    finally:
        database.close()
    call.output.document({"file": file, "made_at": result.made_at, "schema": result.schema, "rows": result.rows})
    call.output.text(f"{database.label}: {sum(result.rows.values())} rows of {len(result.rows)} tables from {file}")
    for issue_id in result.paused:
        call.output.note(
            f"issue {issue_id} was being sent when the backup was made and is paused now: some of it may have left "
            f"after that: `syndicate issues resume {issue_id}` or `cancel {issue_id}`"
        )
