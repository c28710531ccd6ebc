"""What every command starts from: the configuration (read when first asked for), the database, and the output.

Commands take it from Typer's context with ``invocation(ctx, as_json)``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from syndicate.cli.output import Output

if TYPE_CHECKING:
    from syndicate.config import Settings
    from syndicate.service.wiring import Services
    from syndicate.store.engine import Database

AnyServices = TypeVar("AnyServices", bound="Services")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


@dataclass
class Invocation:
    """One call of the program."""

    config: Path
    output: Output = field(default_factory=Output)
    verbose: bool = False  # a service logs what it does; a command tells it by itself

    @cached_property
    def settings(self) -> Settings:
        """The whole configuration. Raises ConfigError with every problem found."""
        from syndicate.config.load import load_settings

        return load_settings(self.config, os.environ)

    @contextmanager
    def database(self, *, pool_size: int = 5) -> Iterator[Database]:
        """The open database, its schema brought up to date first. Raises StoreError and its kinds."""
        from syndicate.store.engine import Database
        from syndicate.store.schema import upgrade

        self.settings.make_database_folder()
        database = Database(self.settings.database_url, pool_size=pool_size)
        try:
            upgrade(database)
            yield database
        finally:
            database.close()

    @contextmanager
    def services(self) -> Iterator[Services]:
        """Everything a pass needs, built from the settings; closed at the end. Logs go to stderr from here on."""
        from syndicate.service.wiring import Services

        with self.opened(Services(self.settings)) as services:
            services.config_file = self.config
            yield services

    @contextmanager
    def opened(self, services: AnyServices) -> Iterator[AnyServices]:
        """The same for services that were built already."""
        from syndicate.service.logs import set_up_logs

        service = self.settings.service
        set_up_logs(service.log_level if self.verbose else "critical", service.log_format)
        try:
            yield services
        finally:
            services.close()

    @staticmethod
    def now() -> datetime:
        """The clock, read once by a command and handed down from there."""
        return datetime.now(UTC)


def invocation(ctx: typer.Context, as_json: bool) -> Invocation:
    """The invocation that ``main.py`` made, set to the command's own ``--json``."""
    found: Invocation = ctx.ensure_object(Invocation)
    found.output.as_json = as_json
    return found


def example(*lines: str) -> str:
    """The epilog with a command's examples, kept line by line in its help."""
    head = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", head, *(f"  {line}" for line in lines)])
