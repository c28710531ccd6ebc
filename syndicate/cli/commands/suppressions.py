"""``suppressions``: addresses and domains that are never written to."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED
from syndicate.cli.output import counted

Entry = Annotated[str, typer.Argument(metavar="ADDRESS|DOMAIN", help="An address, or a whole domain without an @.")]


def register(app: typer.Typer) -> None:
    """Add the group ``suppressions``."""
    group = typer.Typer(no_args_is_help=True, help="Addresses never to be written to.", rich_markup_mode=None)
    group.command("list", epilog=example("syndicate suppressions list"))(list_)
    group.command("add", epilog=example("syndicate suppressions add ann@example.org", "suppressions add spam.example"))(
        add
    )
    group.command("remove", epilog=example("syndicate suppressions remove ann@example.org"))(remove)
    app.add_typer(group, name="suppressions")


def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")] = 100,
    before: Annotated[
        int | None, typer.Option("--before", metavar="ID", help="Go on after a page that ended with this id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List them, newest first. Addresses stand there as keyed hashes, so that the list names nobody."""
    from syndicate.store.suppressions import suppressions

    call = invocation(ctx, as_json)
    with call.services() as services, services.database.read() as session:
        found = suppressions(session, limit=limit, before=before)
    documents = [
        {
            "id": one.id,
            "scope": one.scope,
            "value": one.value,
            "reason": one.reason,
            "note": one.note,
            "created_at": one.created_at,
        }
        for one in found
    ]
    call.output.document({"suppressions": documents})
    call.output.table(
        ("id", "what", "value", "reason", "note", "since"),
        [(one.id, one.scope, one.value[:16], one.reason, one.note, one.created_at) for one in found],
        empty="nobody is suppressed",
    )
    if len(found) == limit:
        call.output.text(f"go on with --before {found[-1].id}")


def add(
    ctx: typer.Context,
    entry: Entry,
    note: Annotated[str, typer.Option("--note", help="Why, for whoever reads the list.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Never write to an address or a domain again; mail that is queued for it does not leave any more."""
    from syndicate.pipeline.members.suppressing import listed_as, suppress

    call = invocation(ctx, as_json)
    with call.services() as services:
        scope, value = listed_as(services.keyring, entry)
        new = suppress(services.database, services.keyring, entry, note=note, now=services.clock())
    call.output.document({"scope": scope, "value": value, "added": new})
    call.output.text(f"{entry}: {'is suppressed' if new else 'was suppressed already'}")


def remove(ctx: typer.Context, entry: Entry, as_json: JsonOption = False) -> None:
    """Take an address or a domain off the list; what came back from it before counts no more.

    Exit status 1 when it was not on it. Subscriptions that a complaint ended stay ended.
    """
    from syndicate.pipeline.members.suppressing import listed_as, release

    call = invocation(ctx, as_json)
    with call.services() as services:
        scope, value = listed_as(services.keyring, entry)
        absolved = release(services.database, services.keyring, entry)
    gone = absolved is not None
    call.output.document({"scope": scope, "value": value, "removed": gone, "absolved": absolved or 0})
    if absolved is None:
        call.output.note(f"{entry}: was not on the list")
        raise typer.Exit(FAILED)
    call.output.text(f"{entry}: may be written to again; {counted(absolved, 'returned message')} counts no more")
