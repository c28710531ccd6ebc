"""``admin``: who may use the console at /admin."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.errors import UsageError
from syndicate.model import Role

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")]


def register(app: typer.Typer) -> None:
    """Add the group ``admin``."""
    group = typer.Typer(no_args_is_help=True, help="Operators of the console.", rich_markup_mode=None)
    group.command("add", epilog=example("syndicate admin add maria --role editor"))(add)
    group.command("list", epilog=example("syndicate admin list"))(list_)
    group.command("password", epilog=example("syndicate admin password maria < password.txt"))(password)
    group.command("totp", epilog=example("syndicate admin totp maria", "syndicate admin totp maria --off"))(totp)
    group.command("disable", epilog=example("syndicate admin disable maria"))(disable)
    group.command("enable", epilog=example("syndicate admin enable maria"))(enable)
    app.add_typer(group, name="admin")


def add(
    ctx: typer.Context,
    name: NameArgument,
    role: Annotated[Role, typer.Option("--role", help="What this operator may do.")] = Role.OWNER,
    as_json: JsonOption = False,
) -> None:
    """Add an operator. The password is asked for, or read from standard input: its first line."""
    from syndicate.pipeline.operators import accounts

    call = invocation(ctx, as_json)
    with call.services() as services:
        accounts.add_operator(services.database, name, _password(), role, services.clock())
        enabled = services.settings.admin.enabled
    call.output.document({"operator": name, "role": role.value})
    call.output.text(f"{name} may sign in at /admin as {role}")
    if not enabled:
        call.output.note("the console is off: set `enabled = true` in [admin]")


def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List operators."""
    from syndicate.store.operators import operators

    call = invocation(ctx, as_json)
    with call.services() as services, services.database.read() as session:
        found = operators(session)
    call.output.document(
        {
            "operators": [
                {
                    "operator": each.name,
                    "role": each.role.value,
                    "disabled": each.disabled,
                    "totp": each.totp,
                    "locked_until": each.locked_until,
                    "created_at": each.created_at,
                }
                for each in found
            ]
        }
    )
    call.output.table(
        ("name", "role", "second factor", "state", "since"),
        [
            (
                each.name,
                each.role.value,
                "yes" if each.totp else "no",
                "disabled" if each.disabled else "",
                each.created_at,
            )
            for each in found
        ],
        empty="there are no operators yet; `syndicate admin add NAME` adds one",
    )


def password(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Change a password, lift a lock-out, and sign the operator out everywhere."""
    from syndicate.pipeline.operators import accounts

    call = invocation(ctx, as_json)
    with call.services() as services:
        accounts.set_password(services.database, name, _password(), services.clock())
    call.output.document({"operator": name})
    call.output.text(f"{name} has a new password and is signed out everywhere")


def totp(
    ctx: typer.Context,
    name: NameArgument,
    off: Annotated[bool, typer.Option("--off", help="Ask for the password only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask for a one-time code (TOTP) at sign-in; shows its secret and the recovery codes, once."""
    from syndicate.pipeline.operators import accounts

    call = invocation(ctx, as_json)
    with call.services() as services:
        now, issuer = services.clock(), services.settings.site.title or "Syndicate"
        if off:
            accounts.drop_second_factor(services.database, name, now)
            made = None
        else:
            made = accounts.set_second_factor(services.database, name, issuer, now)
    if made is None:
        call.output.document({"operator": name, "totp": False})
        call.output.text(f"{name} signs in with the password only")
        return
    call.output.document(
        {"operator": name, "totp": True, "secret": made.secret, "uri": made.uri, "recovery": list(made.recovery)}
    )
    call.output.text(f"secret: {made.secret}")
    call.output.text(made.uri)
    call.output.text("recovery codes, each for one sign-in without the authenticator:")
    for code in made.recovery:
        call.output.text(f"  {code}")


def disable(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Keep an operator out from now on, also where signed in."""
    _disable(ctx, name, as_json, disabled=True)


def enable(ctx: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Let an operator in again."""
    _disable(ctx, name, as_json, disabled=False)


def _disable(ctx: typer.Context, name: str, as_json: bool, *, disabled: bool) -> None:
    from syndicate.pipeline.operators import accounts

    call = invocation(ctx, as_json)
    with call.services() as services:
        accounts.set_disabled(services.database, name, services.clock(), disabled=disabled)
    call.output.document({"operator": name, "disabled": disabled})
    call.output.text(f"{name} {'is kept out' if disabled else 'may sign in'}")


def _password() -> str:
    if sys.stdin.isatty():
        found: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return found
    found = sys.stdin.readline().rstrip("\r\n")
    if not found:
        raise UsageError("give the password on standard input, as its first line")
    return found
