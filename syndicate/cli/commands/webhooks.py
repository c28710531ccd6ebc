"""``webhooks``: what they are owed, the log of what was sent, a test, and another try."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED
from syndicate.cli.output import counted


class State(StrEnum):
    """What became of a message."""

    OWED = "owed"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


Name = Annotated[str, typer.Argument(metavar="NAME", help="The NAME of [webhook.NAME].")]


def register(app: typer.Typer) -> None:
    """Add the group ``webhooks``."""
    group = typer.Typer(no_args_is_help=True, help="Addresses that are told what happens.", rich_markup_mode=None)
    group.command("list", epilog=example("syndicate webhooks list", "syndicate webhooks list --json"))(list_)
    group.command("log", epilog=example("syndicate webhooks log", "syndicate webhooks log crm --state given_up"))(show)
    group.command("test", epilog=example("syndicate webhooks test crm"))(try_out)
    group.command("retry", epilog=example("syndicate webhooks retry crm", "syndicate webhooks retry crm --id 12"))(
        retry
    )
    app.add_typer(group, name="webhooks")


def list_(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List webhooks and how many messages they are owed."""
    from syndicate.store import outbox

    call = invocation(ctx, as_json)
    with call.services() as services, services.database.read() as session:
        backlogs = {each.webhook: each for each in outbox.backlogs(session)}
    rows = [
        {
            "webhook": hook,
            "events": [event.value for event in config.events],
            "owed": backlogs[hook].owed if hook in backlogs else 0,
            "given_up": backlogs[hook].given_up if hook in backlogs else 0,
            "oldest_at": backlogs[hook].oldest_at if hook in backlogs else None,
        }
        for hook, config in services.settings.webhook.items()
    ]
    call.output.document({"webhooks": rows})
    call.output.table(
        ("webhook", "events", "owed", "given up", "oldest"),
        [tuple(row.values()) for row in rows],
        empty="there is no [webhook.NAME] in the configuration",
    )


def show(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only messages to this one.")] = None,
    state: Annotated[
        State | None, typer.Option("--state", help="Only messages that are owed, delivered or given_up.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this many messages.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what was sent to webhooks, newest first; in JSON with every attempt."""
    from dataclasses import asdict

    from syndicate.pipeline.webhooks import named_webhook
    from syndicate.store import outbox

    call = invocation(ctx, as_json)
    if name is not None:
        named_webhook(call.settings, name)
    with call.services() as services, services.database.read() as session:
        found = outbox.list_messages(session, webhook=name, state=state.value if state else None, limit=limit)
        tries = outbox.attempts_of(session, [message.id for message in found])
    call.output.document({"messages": [asdict(each) | {"tries": tries[each.id]} for each in found]})
    call.output.table(
        ("id", "webhook", "event", "made", "state", "attempts", "next try", "status", "error"),
        [(m.id, m.webhook, m.event, m.created_at, m.state, m.attempts, m.due_at, m.status, m.error) for m in found],
        empty="no messages are kept",
    )


def try_out(ctx: typer.Context, name: Name, as_json: JsonOption = False) -> None:
    """Send a message of the type test now and show the answer. Exit status 1 when it was not taken."""
    from syndicate.pipeline import webhooks

    call = invocation(ctx, as_json)
    with call.services() as services:
        tried = webhooks.test(services.database, services.settings, name, clock=services.clock)
    call.output.document(
        {
            "webhook": name,
            "id": tried.message.id,
            "status": tried.status,
            "milliseconds": tried.milliseconds,
            "error": tried.error,
        }
    )
    call.output.text(f"{name}: {tried.error or f'took it ({tried.status})'} after {tried.milliseconds} ms")
    if tried.error is not None:
        raise typer.Exit(FAILED)


def retry(
    ctx: typer.Context,
    name: Name,
    number: Annotated[int | None, typer.Option("--id", help="Only this message.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Owe what was given up once more, and try now what waits; `run` sends it."""
    from syndicate.pipeline.webhooks import named_webhook
    from syndicate.store import outbox

    call = invocation(ctx, as_json)
    with call.services() as services:
        named_webhook(services.settings, name)
        with services.database.write() as session:
            count = outbox.owe_again(session, name, services.clock(), message_id=number)
    call.output.document({"webhook": name, "retried": count})
    call.output.text(f"{name}: {counted(count, 'message')} will be tried now; `syndicate run` sends")
