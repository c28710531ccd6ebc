"""Style sheets and scripts: under names that change with their content they may be kept for ever.

Under any other name (an old page during an upgrade, a bookmark) comes what there is now, not to be kept.
"""

from __future__ import annotations

import hashlib
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_TYPES: Final = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class StaticFile:
    """One file. ``name`` is such as ``pages.css``, ``path`` such as ``/static/pages.0123456789abcdef.css``."""

    def __init__(self, name: str, content: bytes) -> None:
        self._stem, _, self._ending = name.rpartition(".")
        self._content = content
        self._tag = hashlib.sha256(content).hexdigest()[:16]
        self.path = f"/static/{self._stem}.{self._tag}.{self._ending}"

    def routes(self) -> list[BaseRoute]:
        """Only GETs."""
        return [
            Route(f"/static/{self._stem}.{self._ending}", self.show, methods=["GET"]),
            Route(f"/static/{self._stem}.{{tag}}.{self._ending}", self.show, methods=["GET"]),
        ]

    def show(self, request: Request) -> Response:
        """The file."""
        control = _FOR_EVER if request.path_params.get("tag") == self._tag else "no-cache"
        headers = {"cache-control": control, "etag": f'"{self._tag}"'}
        return Response(self._content, media_type=_TYPES[self._ending], headers=headers)
