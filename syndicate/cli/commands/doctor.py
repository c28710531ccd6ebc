"""``doctor``: tries everything that mail and feeds stand on, and says what to mend."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import FAILED


def register(app: typer.Typer) -> None:
    """Add ``doctor``."""
    app.command(
        "doctor",
        epilog=example(
            "syndicate doctor",
            "syndicate doctor --only dns,relay",
            "syndicate doctor --nameserver 127.0.0.1:5353 --json",
        ),
    )(doctor)


def doctor(
    ctx: typer.Context,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="GROUP",
            help="Look at this alone: database, sources, templates, relay, dns (spf, dkim, dmarc, mx, ptr), mailbox, "
            "public, clock, files. Several with commas, or the option again.",
        ),
    ] = None,
    nameserver: Annotated[
        str | None,
        typer.Option("--nameserver", metavar="ADDRESS[:PORT]", help="Ask this DNS server, not the system's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Try database, sources, templates, relays, DNS records and the public address; say what to mend.

    Changes nothing and sends no mail. Exit status 1 when something must be mended; warnings, and what nobody answered,
    leave it 0.
    """
    from syndicate.cli.commands.check import template_problems
    from syndicate.cli.doctor_report import print_report
    from syndicate.config.load import examine
    from syndicate.core.doctor.finding import Verdict, document
    from syndicate.service.doctor import examination

    call = invocation(ctx, as_json)
    settings = call.settings
    _, problems = examine(call.config, os.environ)
    with call.output.progress("looking"):
        findings = examination(
            settings,
            config=call.config,
            config_problems=problems,
            template_problems=lambda: template_problems(settings, str(call.config)),
            only=only or (),
            nameserver=nameserver,
        )
    call.output.document({"file": call.config} | document(findings))
    if not as_json:
        print_report(findings, call.output)
    if any(finding.verdict is Verdict.ERROR for finding in findings):
        raise typer.Exit(FAILED)
