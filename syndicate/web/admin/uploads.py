"""Files that operators send: read within a limit of their own, kept between a dry run and its confirmation."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any, Final

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from syndicate.web.forms import Form

IMPORT: Final = "/admin/subscribers/import"
LIMIT: Final = 32_000_000  # bytes; larger lists go by `syndicate subscribers import`
_KEPT_FOR: Final = 3600  # seconds
_MOST: Final = 5


@asynccontextmanager
async def upload(request: Request) -> AsyncIterator[tuple[Form, UploadFile | None]]:
    """The form of a request and its file, if it brings one. Raises HTTPException 400 and 413."""
    announced = Headers(scope=request.scope).get("content-length", "0")
    if not announced.isdecimal() or int(announced[:12]) > LIMIT:
        raise HTTPException(413)
    received = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > LIMIT:
            raise HTTPException(413)
        return message

    try:
        async with Request(request.scope, receive).form(max_files=1, max_fields=20) as data:
            file = data.get("file")
            yield Form(FormData(data)), file if isinstance(file, UploadFile) else None
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400) from error


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was looked at and may be imported: where it lies, what it was called, for whom, since when."""

    path: Path
    name: str
    operator: int
    at: float


class Uploads:
    """Files of this process in a folder that nobody else may read and that goes with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept] = {}
        self._lock = Lock()
        self._folder: Path | None = None

    def keep(self, file: IO[bytes], name: str, operator: int) -> str:
        """Keep a file for an hour; returns what it is found by. Of many files the oldest goes."""
        with self._lock:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="syndicate-"))  # mode 0700
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            self._tidy()
            key = secrets.token_urlsafe(16)
            path = self._folder / key
            file.seek(0)
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy)
            self._kept[key] = Kept(path, name, operator, time.monotonic())
        return key

    def find(self, key: str, operator: int) -> Kept | None:
        """A file that the same operator sent, while it is kept."""
        found = self._kept.get(key)
        if found is None or found.operator != operator or time.monotonic() - found.at > _KEPT_FOR:
            return None
        return found

    def drop(self, key: str) -> None:
        """It was imported, or is not wanted."""
        with self._lock:
            found = self._kept.pop(key, None)
        if found is not None:
            found.path.unlink(missing_ok=True)

    def _tidy(self) -> None:
        old = [key for key, each in self._kept.items() if time.monotonic() - each.at > _KEPT_FOR]
        for key in [*old, *list(self._kept)[: max(len(self._kept) - _MOST + 1, 0)]]:
            gone = self._kept.pop(key, None)
            if gone is not None:
                gone.path.unlink(missing_ok=True)
