"""Import and export of readers in the console: a dry run with a report for each line, then the import itself."""

from __future__ import annotations

from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any, Final

from starlette.responses import Response, StreamingResponse

from syndicate.core.subscriber_lines import COLUMNS, column_hint
from syndicate.errors import UsageError
from syndicate.model import Role
from syndicate.pipeline.members.exporting import export_pages
from syndicate.pipeline.members.import_chunk import Imported, ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.web.admin.guard import Call, Guard, Place
from syndicate.web.admin.uploads import LIMIT, Uploads

if TYPE_CHECKING:
    from syndicate.service.wiring import Services
    from syndicate.store.engine import Database

_REPORTED: Final = 500
_NAME: Final = 100


class ImportPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard) -> None:
        self._services = services
        self._guard = guard
        self._uploads = Uploads()

    def places(self) -> list[Place]:
        """All of them are the owner's: they bring in, or give away, everybody's data."""
        path = "/subscribers/import"
        return [
            Place(path, "GET", Role.OWNER, self.ask),
            Place(path, "POST", Role.OWNER, self.look, upload=True),
            Place("/subscribers/confirm-import", "POST", Role.OWNER, self.do),
            Place("/subscribers/export", "POST", Role.OWNER, self.export),
        ]

    def ask(self, call: Call) -> Response:
        """The form."""
        return self._ask(call)

    def _ask(self, call: Call, *, problem: str = "", status: int = 200) -> Response:
        return self._guard.page(
            call,
            "import",
            problem=problem,
            status=status,
            digests=list(self._services.settings.digest),
            columns=COLUMNS,
            limit=LIMIT // 1_000_000,
        )

    def look(self, call: Call) -> Response:
        """The dry run: everything is looked at and nothing is stored; the file is kept for the confirmation."""
        if call.file is None or not call.file.size:
            return self._ask(call, problem="Choose a CSV file.", status=400)
        name = PurePath(call.file.filename or "upload.csv").name[:_NAME]
        try:
            report = self._run(call, self._services.database, call.file.file, name, dry_run=True)
        except UsageError as error:
            return self._ask(call, problem=str(error), status=400)
        key = self._uploads.keep(call.file.file, name, call.operator.id)
        return self._guard.page(call, "import_report", key=key, **report, **_choice(call))

    def do(self, call: Call) -> Response:
        """Import the file of a dry run."""
        key = call.text("key")
        kept = self._uploads.find(key, call.operator.id)
        if kept is None:
            problem = "The file is not kept any more: send it once more. Nothing was stored."
            return self._ask(call, problem=problem, status=410)
        # The first of its transactions brings the line of the log.
        database = self._guard.audited(call, "subscribers imported", kept.name)
        with kept.path.open("rb") as file:
            report = self._run(call, database, file, kept.name, dry_run=False)
        self._uploads.drop(key)
        return self._guard.page(call, "import_report", key="", **report, **_choice(call))

    def _run(self, call: Call, database: Database, file: IO[bytes], name: str, *, dry_run: bool) -> dict[str, Any]:
        services = self._services
        problems: list[tuple[int, str]] = []

        def report(line: int, problem: str) -> None:
            if len(problems) < _REPORTED:
                problems.append((line, problem))

        choice = _choice(call)
        rules = ImportRules(
            digest=choice["digest"] or None, confirmed=choice["confirmed"], dry_run=dry_run, origin=name
        )
        file.seek(0)
        done = import_subscribers(
            database, services.settings, services.keyring, file, rules, now=services.clock(), report=report
        )
        unused = [(title, column_hint(title)) for title in done.unused]
        return {"done": done, "facts": _facts(done), "problems": problems, "unused": unused, "file_name": name}

    def export(self, call: Call) -> Response:
        """All subscriptions as CSV, sent on while they are read."""
        digest = call.text("digest")
        if digest:
            self._services.settings.named_digest(digest)
        self._guard.log(call, "subscribers exported", digest or "all digests")
        headers = {
            "content-disposition": 'attachment; filename="subscribers.csv"',
            "cache-control": "no-store",
        }
        pages = export_pages(self._services.database, digest=digest or None)
        return StreamingResponse(pages, media_type="text/csv; charset=utf-8", headers=headers)


def _choice(call: Call) -> dict[str, Any]:
    return {"digest": call.text("digest"), "confirmed": bool(call.text("confirmed"))}


def _facts(done: Imported) -> list[tuple[str, int]]:
    return [
        ("lines", done.lines),
        ("added", done.added),
        ("updated", done.updated),
        ("unchanged", done.unchanged),
        ("left as unsubscribed", done.kept_unsubscribed),
        ("confirmation mails", done.owed),
        ("bad lines", done.bad),
    ]
