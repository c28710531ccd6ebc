"""``tokens``: who may use the API, and for what."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for, such as cms.")]


def register(app: typer.Typer) -> None:
    """Add the group ``tokens``."""
    group = typer.Typer(no_args_is_help=True, help="Tokens of the API.", rich_markup_mode=None)
    group.command(
        "add",
        epilog=example(
            "syndicate tokens add cms --scope articles:write:newsroom",
            "syndicate tokens add shop --scope subscribers:write --scope subscribers:read --expires-in 365d",
        ),
    )(add)
    group.command("list", epilog=example("syndicate tokens list"))(list_)
    group.command("revoke", epilog=example("syndicate tokens revoke cms"))(revoke)
    app.add_typer(group, name="tokens")


def add(
    ctx: typer.Context,
    name: Name,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="What it may do; may be repeated.")
    ] = None,
    expires_in: Annotated[
        str | None, typer.Option("--expires-in", metavar="TIME", help="Such as 90d; default: until it is revoked.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token. It is shown now and never again: only its hash is kept."""
    from syndicate.service.tokens import add_token

    call = invocation(ctx, as_json)
    with call.services() as services:
        made = add_token(services, name, scope or [], expires_in=expires_in)
    call.output.document(
        {"name": name, "token": made.token, "scopes": list(made.scopes), "expires_at": made.expires_at}
    )
    call.output.text(made.token)
    call.output.note(f"token {name}: {', '.join(made.scopes)}. Keep it now; it is not shown again")


def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List tokens: what each may do, until when, and when it was last used (to the hour)."""
    from dataclasses import asdict

    from syndicate.store.api_tokens import list_tokens

    call = invocation(ctx, as_json)
    with call.services() as services:
        now = services.clock()
        with services.database.read() as session:
            found = list_tokens(session)
    call.output.document({"tokens": [asdict(token) | {"expired": token.expired(now)} for token in found]})
    call.output.table(
        ("name", "scopes", "made", "expires", "last used"),
        [
            (
                token.name,
                token.scopes,
                token.created_at,
                "expired" if token.expired(now) else token.expires_at,
                token.last_used_at,
            )
            for token in found
        ],
        empty="there are no tokens yet; `syndicate tokens add NAME --scope SCOPE` makes one",
    )


def revoke(ctx: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """End a token at once. Exit status 1 when there is none of that name."""
    from syndicate.store.api_tokens import revoke_token

    call = invocation(ctx, as_json)
    with call.services() as services, services.database.write() as session:
        gone = revoke_token(session, name)
    call.output.document({"name": name, "revoked": gone})
    if not gone:
        call.output.note(f"there is no token {name}")
        raise typer.Exit(FAILED)
    call.output.text(f"{name}: works no more")
