"""``db upgrade``: brings the database's schema to this version."""

from __future__ import annotations

import typer

from syndicate.cli.context import JsonOption, example, invocation


def register(app: typer.Typer) -> None:
    """Add the group ``db``."""
    group = typer.Typer(no_args_is_help=True, help="The database itself.", rich_markup_mode=None)
    group.command("upgrade", epilog=example("syndicate db upgrade"))(upgrade)
    app.add_typer(group, name="db")


def upgrade(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the database's schema up to date. Every start does this too; here it can be done on its own, before."""
    from syndicate.store import schema
    from syndicate.store.engine import Database

    call = invocation(ctx, as_json)
    call.settings.make_database_folder()
    database = Database(call.settings.database_url)
    try:
        applied = schema.upgrade(database)
    finally:
        database.close()
    call.output.document({"database": database.label, "applied": applied})
    for name in applied:
        call.output.text(f"applied {name}")
    call.output.text(f"{database.label}: {'upgraded' if applied else 'was up to date'}")
