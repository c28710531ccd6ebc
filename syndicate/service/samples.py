"""The shipped paper made ready for a demonstration: its configuration in a folder, its pictures in reach."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from syndicate.config import Settings
from syndicate.config.load import load_settings
from syndicate.config.sources import FolderSource
from syndicate.errors import UsageError
from syndicate.io.sources import Known, Reading
from syndicate.model import SourceItem
from syndicate.pipeline.ingest import Source
from syndicate.service.wiring import Services
from syndicate.shipped import shipped

SAMPLES = shipped("examples") / "articles"
PICTURES = shipped("examples") / "media"
_HEAD = "# Written by `syndicate demo`, for this folder; the articles stay where they were installed.\n#\n"
_PATH = 'path = "examples/articles"'
# The paper is at courier.example, which is nowhere: its pictures are shown from the service itself.
_PICTURE = re.compile(r"(?:https://courier\.example)?/media/(?=[\w-]+\.(?:svg|png))")


def demo_settings(folder: Path, environ: Mapping[str, str]) -> Settings:
    """The configuration of the demonstration in ``folder``, which is made and written to if it has none.

    Raises UsageError when the folder is somebody's own, or cannot be written to; ConfigError.
    """
    file = folder / "config.toml"
    ours = shipped("config.toml")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            # A place in TOML is quoted as in JSON (basic strings).
            place = json.dumps(str(SAMPLES), ensure_ascii=False)
            file.write_text(_HEAD + ours.read_text("utf-8").replace(_PATH, f"path = {place}"), encoding="utf-8")
        of_the_demo = file.samefile(ours) or file.read_bytes().startswith(_HEAD.encode())
    except OSError as error:
        raise UsageError(f"{error.filename or folder} cannot be written: {error.strerror or error}") from error
    if not of_the_demo:
        raise UsageError(f"{file} is a paper of your own, and the demonstration brings readers: {_ELSEWHERE}")
    settings = load_settings(file, environ)
    if settings.delivery.transport != "maildir" or settings.database_path is None:
        raise UsageError(
            f"{file} or the environment was changed: the demonstration sends into a Maildir (not by "
            f"{settings.delivery.transport}), with its ledger in a SQLite file; {_ELSEWHERE}"
        )
    return settings


_ELSEWHERE = "give it a folder of its own, such as `--dir demo`"


class DemoServices(Services):
    """The services of a demonstration: the sample articles show their pictures from the service's own address."""

    def sources(
        self, names: Iterable[str] = (), *, insist: bool = False, called: frozenset[str] = frozenset()
    ) -> list[Source]:
        """As everywhere, but for the samples' pictures."""
        address = f"{self.settings.service.public_url}/media/"
        return [_Pictured(source, address) for source in super().sources(names, insist=insist, called=called)]

    @property
    def samples(self) -> list[str]:
        """The names of the sources that read the sample articles."""
        return [
            name
            for name, source in self.settings.source.items()
            if isinstance(source, FolderSource) and self.settings.path(source.path).resolve() == SAMPLES.resolve()
        ]


@dataclass(frozen=True, slots=True)
class _Pictured:
    source: Source
    address: str

    @property
    def name(self) -> str:
        return self.source.name

    def read(self, known: Known, state: Any, now: datetime) -> Reading:
        reading = self.source.read(known, state, now)
        pages = reading.pages
        reading.pages = ([self._shown(item) for item in page] for page in pages)
        return reading

    def _shown(self, item: SourceItem) -> SourceItem:
        image = item.fields.get("image")
        fields = {**item.fields, "image": _PICTURE.sub(self.address, image)} if isinstance(image, str) else item.fields
        return replace(item, fields=fields, body=_PICTURE.sub(self.address, item.body))
