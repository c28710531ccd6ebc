"""``webhooks``: what they are owed, a test, and another try."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED
from syndicate.cli.output import counted
from syndicate.errors import UsageError

Name = Annotated[str, typer.Argument(metavar="NAME", help="The NAME of [webhook.NAME].")]


def register(app: typer.Typer) -> None:
    """Add the group ``webhooks``."""
    group = typer.Typer(no_args_is_help=True, help="Addresses that are told what happens.", rich_markup_mode=None)
    group.command("list", epilog=example("syndicate webhooks list", "syndicate webhooks list crm --given-up"))(list_)
    group.command("test", epilog=example("syndicate webhooks test crm"))(try_out)
    group.command("retry", epilog=example("syndicate webhooks retry crm", "syndicate webhooks retry crm --id 12"))(
        retry
    )
    app.add_typer(group, name="webhooks")


def list_(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Show the messages of this one.")] = None,
    given_up: Annotated[bool, typer.Option("--given-up", help="Only messages that were given up.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this many messages.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List webhooks and what they are owed; with NAME its messages, newest first, with every attempt."""
    from dataclasses import asdict

    from syndicate.pipeline.webhooks import named_webhook
    from syndicate.store import outbox

    call = invocation(ctx, as_json)
    if given_up and name is None:
        raise UsageError("--given-up goes with the NAME of a webhook")
    with call.services() as services, services.database.read() as session:
        if name is None:
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
            return
        named_webhook(services.settings, name)
        state = "given_up" if given_up else None
        found = outbox.list_messages(session, webhook=name, state=state, limit=limit)
        documents = [asdict(message) | {"tries": outbox.attempts_at(session, message.id)} for message in found]
    call.output.document({"messages": documents})
    call.output.table(
        ("id", "event", "made", "state", "attempts", "next try", "status", "error"),
        [(m.id, m.event, m.created_at, m.state, m.attempts, m.due_at, m.status, m.error) for m in found],
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
