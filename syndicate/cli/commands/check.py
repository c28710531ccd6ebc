"""``check``: every problem of the configuration, the templates and the readers' choices in one report."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import MISUSED
from syndicate.cli.output import counted
from syndicate.errors import Problem, StoreError

if TYPE_CHECKING:
    from syndicate.config import Settings

WARNING = "warning"


def register(app: typer.Typer) -> None:
    """Add ``check``."""
    app.command("check", epilog=example("syndicate check", "syndicate -c paper/config.toml check --json"))(check)


def check(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Read the configuration and the templates, and name every problem with its file and key. Changes nothing.

    Exit status 2 when there is an error; warnings alone leave it 0.
    """
    from syndicate.config.load import examine

    call = invocation(ctx, as_json)
    file = str(call.config)
    settings, problems = examine(call.config, os.environ)
    if settings is not None:
        readers = [] if _errors(problems) else _reader_problems(settings, file)
        problems = [*problems, *_key_problems(settings, file), *template_problems(settings, file), *readers]
    errors = _errors(problems)
    warnings = [problem for problem in problems if problem.severity != "error"]
    call.output.document(
        {
            "file": call.config,
            "ok": not errors,
            "errors": [_document(problem) for problem in errors],
            "warnings": [_document(problem) for problem in warnings],
        }
    )
    for problem in (*errors, *warnings):
        call.output.text(f"{problem.severity}: {problem}")
    summary = f"{call.config}: {counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}"
    if errors:
        unseen = "; the templates are looked at when this file can be read" if settings is None else ""
        call.output.note(f"syndicate: {summary}{unseen}")
        raise typer.Exit(MISUSED)
    call.output.text(summary)


def _key_problems(settings: Settings, file: str) -> list[Problem]:
    if not settings.dkim.keys:
        return []
    from syndicate.io.dkim_keys import key_problems

    return key_problems(settings.dkim.keys, settings.base, file)


def template_problems(settings: Settings, file: str) -> list[Problem]:
    """What is wrong with the templates and the subjects; ``file`` is the configuration's name."""
    from syndicate.core.message.trial import Findings
    from syndicate.io.template_trial import try_templates
    from syndicate.io.templates import find_templates
    from syndicate.shipped import shipped
    from syndicate.web.page_trial import page_problems

    texts, unreadable = find_templates([shipped("templates"), settings.path(settings.service.templates_dir)])
    findings = Findings(settings)
    for error in unreadable:
        findings.add(error)
    found = [*findings.problems, *try_templates(texts, settings), *page_problems(texts, settings)]
    # The subject of a digest is a template that stands in the configuration; its file may have another name.
    own = [replace(problem, where=file) if problem.where == "config.toml" else problem for problem in found]
    return list(dict.fromkeys(own))


def _reader_problems(settings: Settings, file: str) -> list[Problem]:
    """Readers whom the configuration has forgotten; nothing when there is no database of ours yet."""
    from syndicate.store.engine import Database
    from syndicate.store.overview import unserved
    from syndicate.store.schema import current_revision, head_revision

    path = settings.database_path
    if path is not None and not path.exists():
        return []
    database = Database(settings.database_url, changes=False)
    try:
        if current_revision(database) != head_revision():
            return []
        with database.read() as session:
            found = unserved(session, settings.digest)
        return [Problem(file, f"digest.{one.digest}", str(one), WARNING) for one in found]
    except StoreError as error:
        return [Problem(file, "service.database", f"cannot be looked into: {error}", WARNING)]
    finally:
        database.close()


def _errors(problems: list[Problem]) -> list[Problem]:
    return [problem for problem in problems if problem.severity == "error"]


def _document(problem: Problem) -> dict[str, str]:
    return {"where": problem.where, "key": problem.key, "message": problem.message}
