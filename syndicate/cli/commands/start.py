"""``init``: a folder to start from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from syndicate.cli.context import JsonOption, example, invocation
from syndicate.cli.program import program
from syndicate.errors import SyndicateError, UsageError

_DATE = b"DATE-OF-INIT"


def register(app: typer.Typer) -> None:
    """Add ``init``."""
    app.command("init", epilog=example("syndicate init paper", "cd paper && syndicate check"))(init)


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where to; made if it is not there.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Write a starter config.toml, templates, folders and a first article. Files that exist are kept as they are."""
    call = invocation(ctx, as_json)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give the name of a folder")
    created: list[str] = []
    kept: list[str] = []
    try:
        for name in ("articles", "feeds", "templates"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, content in _files(call.now()):
            (created if _write_new(folder / name, content) else kept).append(name)
    except OSError as error:
        raise SyndicateError(f"cannot write {error.filename or folder}: {error.strerror or error}") from error
    call.output.document({"folder": folder.resolve(), "created": created, "kept": kept})
    for name in kept:
        call.output.text(f"kept     {folder / name}")
    for name in created:
        call.output.text(f"created  {folder / name}")
    call.output.text(_next_steps(folder))


def _files(now: datetime) -> Iterator[tuple[str, bytes]]:
    """Every file of a new folder: its name there, and its content."""
    from syndicate.shipped import shipped

    starter = shipped("examples") / "starter"
    yield "config.toml", (starter / "config.toml").read_bytes()
    # Dated now, so that the first digest, which looks back some days, has something to show.
    date = now.isoformat(timespec="seconds").encode()
    yield "articles/welcome.md", (starter / "articles" / "welcome.md").read_bytes().replace(_DATE, date)
    templates = shipped("templates")
    for file in sorted(templates.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            yield f"templates/{file.relative_to(templates).as_posix()}", file.read_bytes()


def _write_new(path: Path, content: bytes) -> bool:
    """Write a file unless it exists, also if it comes into being this very moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("xb") as stream:
            stream.write(content)
    except FileExistsError:
        return False
    return True


def _next_steps(folder: Path) -> str:
    enter = "" if folder.resolve() == Path.cwd() else f"cd {quote(str(folder))} && "
    command = program(folder)
    return f"Next: look into {folder / 'config.toml'}, then `{enter}{command} check` and `{command} run`."
