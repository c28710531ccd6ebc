"""``plan``: the issues of the next two weeks, to whom and when. Writes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.errors import UsageError

if TYPE_CHECKING:
    from syndicate.pipeline.compose.forecast import ForecastIssue


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog=example("syndicate plan", "syndicate plan morning --at 2026-12-24T06:00"))(plan)


def plan(
    ctx: typer.Context,
    digest: Annotated[str | None, typer.Argument(metavar="[DIGEST]", help="Only this digest.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As if it were then: 2026-12-24T06:00, in the site's zone."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show who will get what and when: the issues of the next 14 days with the articles that are there so far.

    Articles, recipients and size are told of the next issue of each rhythm; the size is that of the edition that most
    readers get, rendered as it would go now.
    """
    from zoneinfo import ZoneInfo

    from syndicate.pipeline.compose.forecast import forecast

    call = invocation(ctx, as_json)
    settings = call.settings
    if digest is not None:
        settings.named_digest(digest)
    zone = ZoneInfo(settings.site.timezone)
    with call.services() as services:
        now = services.clock() if at is None else _time(at, zone)
        found = forecast(
            services.database, services.renderer, digests=[digest] if digest else list(settings.digest), now=now
        )
    call.output.document({"at": now, "issues": [issue.document() for issue in found]})
    if not found:
        call.output.text("no issue is due within 14 days; instant issues are made as articles come")
    for issue in found:
        call.output.text(_line(issue, zone))
        for line in _details(issue):
            call.output.text(f"    {line}")


def _time(text: str, zone: object) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at {text}: expected a time such as 2026-12-24T06:00") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)  # type: ignore[arg-type]


def _line(issue: ForecastIssue, zone: object) -> str:
    when = f"{issue.composed_at.astimezone(zone):%a %Y-%m-%d %H:%M %Z}"  # type: ignore[arg-type]
    head = f"{when}  {issue.digest} {issue.period} ({issue.rhythm})"
    if issue.skipped:
        return f"{head}: skipped, {issue.skipped}"
    held = ", waits as a draft for its approval" if issue.approval else ""
    return f"{head}: {issue.subscriptions} subscription{'' if issue.subscriptions == 1 else 's'}{held}"


def _details(issue: ForecastIssue) -> list[str]:
    lines = []
    if len(issue.waves) > 1:
        for wave in issue.waves:
            zones = ", ".join(name or "no zone of their own" for name in wave.local)
            lines.append(f"{wave.due_at:%Y-%m-%d %H:%M} UTC: {wave.recipients} ({zones})")
    if issue.waits_for:
        lines.append(f"waits for {', '.join(issue.waits_for)}")
    if issue.recipients is not None:
        new = f"so far {_count(len(issue.articles or []), 'article')}"
        if issue.headlines:
            new += f" and {_count(len(issue.headlines), 'headline')}"
        size = f", {issue.size} bytes" if issue.size is not None else ""
        lines.append(
            f"{new} for {_count(issue.recipients, 'recipient')} in {_count(issue.editions or 0, 'edition')}{size}"
        )
        if issue.subject:
            lines.append(issue.subject)
        lines += [f"- {title}" for title in issue.articles or []]
    return lines


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
