"""``check``: every problem of the configuration and the templates in one report."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.errors import MISUSED
from syndicate.errors import Problem, TemplateError

if TYPE_CHECKING:
    from syndicate.config import Settings


def register(app: typer.Typer) -> None:
    """Add ``check``."""
    app.command("check", epilog=example("syndicate check", "syndicate -c paper/config.toml check --json"))(check)


def check(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Read the configuration and the templates, and name every problem with its file and key. Changes nothing.

    Exit status 2 when there is an error; warnings alone leave it 0.
    """
    from syndicate.config.load import inspect_settings

    call = invocation(ctx, as_json)
    settings, problems = inspect_settings(call.config, os.environ)
    if settings is not None:
        problems = [*_template_problems(settings, str(call.config)), *problems]
    errors = [problem for problem in problems if problem.severity == "error"]
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
    summary = f"{call.config}: {_count(len(errors), 'error')}, {_count(len(warnings), 'warning')}"
    if errors:
        unseen = "; the templates are looked at when the configuration has no errors" if settings is None else ""
        call.output.note(f"syndicate: {summary}{unseen}")
        raise typer.Exit(MISUSED)
    call.output.text(summary)


def _template_problems(settings: Settings, file: str) -> list[Problem]:
    from syndicate.core.message.trial import template_problems
    from syndicate.io.templates import read_templates
    from syndicate.shipped import shipped

    own = settings.path(settings.service.templates_dir)
    try:
        found = template_problems(read_templates([shipped("templates"), own]), settings)
    except TemplateError as error:
        return [Problem(str(own), error.name, str(error))]
    # The subject of a digest is a template that stands in the configuration; its file may have another name.
    return [replace(problem, where=file) if problem.where == "config.toml" else problem for problem in found]


def _document(problem: Problem) -> dict[str, str]:
    return {"where": problem.where, "key": problem.key, "message": problem.message}


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"
