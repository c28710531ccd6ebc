"""Renders the pages of ``templates/admin``: one layout, and what each of them may need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from starlette.responses import HTMLResponse, Response

from syndicate.config import Settings
from syndicate.model import Role
from syndicate.store.operators import Operator
from syndicate.web.static_files import StaticFile

FOLDER: Final = "admin/"
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src 'self'; "
        "form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}
_MENU: Final = (
    ("", "Overview", Role.VIEWER),
    ("/issues", "Issues", Role.VIEWER),
    ("/digests", "Digests", Role.VIEWER),
    ("/growth", "Growth", Role.VIEWER),
    ("/subscribers", "Subscribers", Role.EDITOR),
    ("/suppressions", "Suppressions", Role.EDITOR),
    ("/sources", "Sources", Role.VIEWER),
    ("/api", "API", Role.OWNER),
    ("/settings", "Settings", Role.OWNER),
    ("/audit", "Audit", Role.OWNER),
)
_RANK: Final = {Role.VIEWER: 0, Role.EDITOR: 1, Role.OWNER: 2}


def may(operator: Operator, role: Role) -> bool:
    """Whether an operator may do what a role may."""
    return _RANK[operator.role] >= _RANK[role]


class Frame:
    """The compiled templates. An operator's own of the same names are taken in when the process starts."""

    def __init__(self, settings: Settings, templates: Mapping[str, str]) -> None:
        root = urlsplit(settings.service.public_url).path.rstrip("/")
        self.base = f"{root}/admin"
        self.secure = urlsplit(settings.service.public_url).scheme == "https"
        style, script = (StaticFile(name, templates[FOLDER + name].encode()) for name in ("admin.css", "admin.js"))
        self.static = style, script
        zone = ZoneInfo(settings.site.timezone)
        self._templates = SandboxedEnvironment(
            loader=DictLoader({name: text for name, text in templates.items() if name.startswith(FOLDER)}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.finalize = lambda value: "" if value is None else value
        self._templates.filters["moment"] = lambda at: _moment(at, zone)
        self._templates.filters["short"] = lambda at: _moment(at, zone)[:16]
        self._templates.filters["period"] = _period
        self._templates.filters["number"] = lambda count: f"{count:,}".replace(",", "\u202f")
        self._templates.globals.update(
            site_title=settings.site.title or "Syndicate",
            base=self.base,
            style=f"{root}{style.path}",
            script=f"{root}{script.path}",
            zone=zone.key,
        )

    def page(
        self, name: str, *, operator: Operator | None, form_token: str, here: str = "", status: int = 200, **values: Any
    ) -> Response:
        """One page. ``form_token`` goes into each of its forms; ``here`` is its place below /admin."""
        menu = [] if operator is None else [(path, word) for path, word, role in _MENU if may(operator, role)]
        text = self._templates.get_template(f"{FOLDER}{name}.html").render(
            **values,
            operator=operator,
            csrf=form_token,
            menu=menu,
            here=next((path for path, _ in menu[1:] if here.startswith(path)), ""),
            editor=operator is not None and may(operator, Role.EDITOR),
            owner=operator is not None and may(operator, Role.OWNER),
        )
        return HTMLResponse(text, status_code=status, headers=_HEADERS)


def _moment(at: datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _period(period: str) -> str:
    """The period of an issue as people read it: that of one sent by hand holds a time to the microsecond."""
    kind, _, rest = period.partition("/")
    return "sent by hand" if kind == "manual" else f"{kind} {rest}"
