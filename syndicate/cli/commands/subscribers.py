"""``subscribers``: add, list, show, import, export, unsubscribe and erase readers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from syndicate.cli.context import Invocation, JsonOption, example, invocation
from syndicate.cli.documents import reason_line, state_word
from syndicate.cli.errors import FAILED
from syndicate.cli.writing import writing
from syndicate.errors import SuppressedError, UsageError

if TYPE_CHECKING:
    from syndicate.pipeline.members.import_chunk import Imported
    from syndicate.pipeline.members.subscribing import Subscribed

_REPORTED = 1000  # bad lines in the JSON document; all of them are told on stderr

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="The reader's address.")]
DigestOption = Annotated[str | None, typer.Option("--digest", metavar="D", help="The digest's name.")]


def register(app: typer.Typer) -> None:
    """Add the group ``subscribers``."""
    group = typer.Typer(no_args_is_help=True, help="Readers and what they subscribe to.", rich_markup_mode=None)
    group.command("add", epilog=example("syndicate subscribers add ann@example.org --digest morning --topic port"))(add)
    group.command("list", epilog=example("syndicate subscribers list --limit 20"))(list_)
    group.command("show", epilog=example("syndicate subscribers show ann@example.org --json"))(show)
    group.command("import", epilog=example("syndicate subscribers import readers.csv --digest morning"))(import_)
    group.command("export", epilog=example("syndicate subscribers export readers.csv"))(export)
    group.command("unsubscribe", epilog=example("syndicate subscribers unsubscribe ann@example.org"))(unsubscribe)
    group.command("erase", epilog=example("syndicate subscribers erase ann@example.org"))(erase)
    app.add_typer(group, name="subscribers")


def add(
    ctx: typer.Context,
    email: EmailArgument,
    digest: Annotated[str, typer.Option("--digest", metavar="D", help="The digest's name.")],
    name: Annotated[str | None, typer.Option("--name", help="The reader's name.")] = None,
    frequency: Annotated[str | None, typer.Option("--frequency", help="One that the digest offers.")] = None,
    topic: Annotated[list[str] | None, typer.Option("--topic", help="May be given several times; none: all.")] = None,
    timezone: Annotated[str | None, typer.Option("--timezone", help='Such as "Europe/London".')] = None,
    language: Annotated[str | None, typer.Option("--language", help='Such as "en" or "pt-BR".')] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="You have this reader's consent; no confirmation mail is sent.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Subscribe a reader to a digest; with double opt-in a confirmation mail is sent first.

    Somebody who is there already gets what is given here; who has unsubscribed comes back by confirming.
    """
    from syndicate.pipeline.members.subscribing import Answer, Wish, subscribe

    call = invocation(ctx, as_json)
    wish = Wish(
        email=email,
        digest=digest,
        name=name,
        frequency=frequency,
        topics=tuple(topic) if topic else None,
        language=language,
        timezone=timezone,
        confirmed=confirmed,
        operator=True,
        via="cli",
    )
    with call.services() as services:
        done = subscribe(services.database, services.settings, services.keyring, wish, now=services.clock())
    if done.answer is Answer.SUPPRESSED:
        raise SuppressedError(
            f"{email} was not added: the address or its domain is on the suppression list ({done.reason})"
        )
    call.output.document(_added(done))
    call.output.text(f"{email}: {_ANSWERS[done.answer]}")


_ANSWERS = {
    "confirmation_owed": "added; a confirmation mail will be sent",
    "enough_mails": "not confirmed yet; no further confirmation mail is sent for now",
    "confirmed": "subscribed",
    "already": "was subscribed already; what was given is set",
}


def _added(done: Subscribed) -> dict[str, Any]:
    from syndicate.pipeline.members.describing import choice, person

    assert done.subscriber is not None  # noqa: S101 - only a suppressed address has none
    assert done.subscription is not None  # noqa: S101 - likewise
    return {"answer": done.answer, **person(done.subscriber), "subscriptions": [choice(done.subscription)]}


def list_(
    ctx: typer.Context,
    digest: Annotated[str | None, typer.Option("--digest", metavar="D", help="Only readers of this digest.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="At most this many.")] = 100,
    before: Annotated[
        int | None, typer.Option("--before", metavar="ID", help="Go on after a page that ended with this id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List readers, newest first."""
    from syndicate.pipeline.members.describing import choice, person
    from syndicate.store import subscribers

    call = invocation(ctx, as_json)
    if digest is not None:
        call.settings.named_digest(digest)
    with call.services() as services, services.database.read() as session:
        found = subscribers.list_subscribers(session, limit=limit, before=before, digest=digest)
        chosen = subscribers.subscriptions_of(session, [subscriber.id for subscriber in found])
        total = subscribers.count_subscribers(session)
    documents = [
        {**person(subscriber), "subscriptions": [choice(subscription) for subscription in chosen[subscriber.id]]}
        for subscriber in found
    ]
    call.output.document({"subscribers": documents, "total": total})
    call.output.table(
        ("id", "email", "name", "subscriptions"),
        [
            (
                one["id"],
                one["email"],
                one["name"],
                [f"{sub['digest']} ({sub['state']})" for sub in one["subscriptions"]],
            )
            for one in documents
        ],
        empty="there are no subscribers yet",
    )
    if len(found) == limit < total:
        call.output.text(f"{total} in all; go on with --before {found[-1].id}")


def show(ctx: typer.Context, email: EmailArgument, as_json: JsonOption = False) -> None:
    """Show all that is stored of one reader: choice, proof of consent, what was sent."""
    from syndicate.pipeline.members.describing import person_document

    call = invocation(ctx, as_json)
    with call.services() as services:
        document = person_document(services.database, services.keyring, email)
    call.output.document(document)
    output = call.output
    rows = [(key.replace("_", " "), document[key]) for key in ("email", "name", "language", "timezone", "created_at")]
    if document["suppression"]:
        rows.append(("suppressed", document["suppression"]["reason"]))
    output.table(("", ""), rows)
    for subscription in document["subscriptions"]:
        output.text()
        topics = ["everything"] if subscription["topics"] == ["*"] else subscription["topics"]
        output.text(
            f"{subscription['digest']}: {subscription['state']}, {subscription['frequency']}, {', '.join(topics)}"
        )
        output.table(
            ("when", "what", "how"), [(event["at"], event["event"], event["via"]) for event in subscription["consent"]]
        )
    output.text()
    output.table(
        ("issue", "digest", "period", "delivery", "when", "next try", "why"),
        [
            (
                sent["issue"],
                sent["digest"],
                sent["period"],
                state_word(sent["state"]),
                sent["finished_at"],
                sent["next_try_at"],
                reason_line(sent["reason"], sent["code"], sent["reply"]),
            )
            for sent in document["deliveries"]
        ],
        empty="nothing is on the ledger: not sent yet, or no longer kept ([service] keep_deliveries)",
    )


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help='The CSV file; "-" reads standard input.')],
    digest: DigestOption = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="You have these readers' consent (lines that say a state keep it).")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and store nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Import readers from CSV with the columns email, name, digest, frequency, topics, timezone, language, state.

    Only email is required. Topics are separated by ";". Who is there already is updated; who has unsubscribed stays so.
    """
    from syndicate.pipeline.members.import_chunk import ImportRules
    from syndicate.pipeline.members.importing import import_subscribers
    from syndicate.service.collecting import collect_seldom

    collect_seldom()
    call = invocation(ctx, as_json)
    problems: list[dict[str, Any]] = []

    def report(line: int, problem: str) -> None:
        call.output.note(f"line {line}: {problem}")
        if len(problems) < _REPORTED:
            problems.append({"line": line, "problem": problem})

    with call.services() as services, _input(file) as lines, call.output.progress("lines") as advance:
        done = import_subscribers(
            services.database,
            services.settings,
            services.keyring,
            lines,
            ImportRules(digest=digest, confirmed=confirmed, dry_run=dry_run, origin=file.name),
            now=services.clock(),
            report=report,
            progress=advance,
        )
    if done.unused:
        call.output.note(f"columns that were not read: {', '.join(map(_with_hint, done.unused))}")
    call.output.document(_imported(done) | {"dry_run": dry_run, "problems": problems})
    call.output.text(f"{'nothing was stored: ' if dry_run else ''}{_import_line(done)}")


def _with_hint(title: str) -> str:
    from syndicate.core.subscriber_lines import column_hint

    meant = column_hint(title)
    return f"{title} (did you mean {meant}?)" if meant else title


def _imported(done: Imported) -> dict[str, Any]:
    return {
        "lines": done.lines,
        "added": done.added,
        "updated": done.updated,
        "unchanged": done.unchanged,
        "kept_unsubscribed": done.kept_unsubscribed,
        "bad": done.bad,
        "confirmations": done.owed,
        "unused_columns": list(done.unused),
    }


def _import_line(done: Imported) -> str:
    parts = [f"{done.added} added", f"{done.updated} updated", f"{done.unchanged} unchanged"]
    if done.kept_unsubscribed:
        parts.append(f"{done.kept_unsubscribed} left as unsubscribed")
    if done.owed:
        parts.append(f"{done.owed} confirmation mails will be sent")
    parts.append(f"{done.bad} bad")
    return f"{done.lines} lines: {', '.join(parts)}"


@contextmanager
def _input(file: Path) -> Iterator[Any]:
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    with opened:
        yield opened


def export(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help='Default, or "-": standard output.')] = None,
    digest: DigestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Export readers as CSV, one line a subscription, in the columns that `import` reads.

    Values are written as they are; a spreadsheet program may take one that begins with "=" for a formula.
    """
    from syndicate.pipeline.members.exporting import export_subscribers

    call = invocation(ctx, as_json)
    if digest is not None:
        call.settings.named_digest(digest)
    if str(file) == "-":
        file = None
    if file is None and as_json:
        raise UsageError("--json needs a FILE: standard output cannot hold the CSV and the document")
    with call.services() as services, _output(file) as out:
        count = export_subscribers(services.database, out, digest=digest)
    call.output.document({"file": file, "lines": count})
    if file is not None:
        call.output.text(f"{file}: {count} lines")


@contextmanager
def _output(file: Path | None) -> Iterator[TextIO]:
    if file is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        yield sys.stdout
        sys.stdout.flush()
        return
    with writing(file):
        # People's addresses: for the operator's eyes only.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as opened:
        yield opened


def unsubscribe(
    ctx: typer.Context, email: EmailArgument, digest: DigestOption = None, as_json: JsonOption = False
) -> None:
    """End a reader's subscriptions, all or one. Mail that is queued for them does not leave any more."""
    from syndicate.pipeline.members.describing import choice
    from syndicate.pipeline.members.unsubscribing import unsubscribe_address

    call = invocation(ctx, as_json)
    if digest is not None:
        call.settings.named_digest(digest)
    with call.services() as services:
        digests = None if digest is None else [digest]
        ended = unsubscribe_address(services.database, email, now=services.clock(), digests=digests)
    call.output.document(
        {
            "email": email,
            "subscriptions": [choice(one.subscription) | {"changed": one.changed} for one in ended if one.subscription],
        }
    )
    stopped = [one.subscription.digest for one in ended if one.changed and one.subscription]
    call.output.text(f"{email}: {'unsubscribed from ' + ', '.join(stopped) if stopped else 'nothing to end'}")


def erase(
    ctx: typer.Context,
    email: EmailArgument,
    block: Annotated[
        bool, typer.Option("--block", help="Also never write to the address again (kept as a keyed hash only).")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove all that names a reader. Deliveries stay on the ledger without a name; a suppression stays as a hash."""
    from syndicate.pipeline.members.erasing import erase as erase_person

    call: Invocation = invocation(ctx, as_json)
    with call.services() as services:
        known = erase_person(services.database, services.keyring, email, now=services.clock(), block=block)
    call.output.document({"email": email, "erased": known, "blocked": block})
    call.output.text(f"{email}: {'erased' if known else 'was not known here'}{', and blocked' if block else ''}")
    if not known and not block:
        raise typer.Exit(FAILED)  # a mistyped address must not pass for one that was erased
