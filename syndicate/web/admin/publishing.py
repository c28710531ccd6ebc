"""What the paper publishes, in the console: sources and feeds, and the digests with their plan."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from syndicate.config.sources import PolledSource
from syndicate.errors import UnknownNameError
from syndicate.model import Role
from syndicate.service import passes
from syndicate.service.figures import Figures
from syndicate.store.feed_readers import feed_readers
from syndicate.store.overview import due_times, feed_statuses
from syndicate.web.admin.guard import Call, Guard, Place

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

READERS: Final = timedelta(days=7)


class PublishingPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard, figures: Figures) -> None:
        self._services = services
        self._guard = guard
        self._figures = figures

    def places(self) -> list[Place]:
        """Viewers look, editors have a source read."""
        return [
            Place("/sources", "GET", Role.VIEWER, self.sources),
            Place("/sources/poll", "POST", Role.EDITOR, self.poll),
            Place("/digests", "GET", Role.VIEWER, self.digests),
        ]

    def sources(self, call: Call) -> Response:
        """Sources with their last polls, feeds with their last builds and readers."""
        return self._sources(call)

    def _sources(self, call: Call, *, said: str = "", problem: str = "") -> Response:
        services = self._services
        known = {each.source: each for each in self._figures.sources.get(None)}
        since = (services.clock() - READERS).date().isoformat()
        with services.database.read() as session:
            feeds = feed_statuses(session)
            counted = feed_readers(session, since)
        readers: dict[str, list[tuple[str, int, int]]] = {}
        for each in counted:
            readers.setdefault(each.feed, []).append((each.day, each.readers, each.announced))
        sources = [
            (name, source.type, isinstance(source, PolledSource), known.get(name))
            for name, source in services.settings.source.items()
        ]
        return self._guard.page(
            call, "sources", sources=sources, feeds=feeds, readers=readers, said=said, problem=problem
        )

    def poll(self, call: Call) -> Response:
        """Read one source now, as ``syndicate poll`` does; the page says what came of it."""
        name = call.text("source")
        source = self._services.settings.source.get(name)
        if not isinstance(source, PolledSource):
            raise UnknownNameError(f"there is no source {name!r} that is read")
        self._guard.log(call, "source polled", name)
        (result,) = passes.poll(self._services, [name], insist=True)
        self._figures.sources.forget(None)
        if result.error:
            return self._sources(call, problem=f"{name}: {result.error}")
        said = f"{name}: {result.seen} seen, {result.added} new, {result.updated} updated, {result.withdrawn} withdrawn"
        return self._sources(call, said=said)

    def digests(self, call: Call) -> Response:
        """Each digest with its readers and next run; then the issues of the next two weeks, as ``plan`` tells them."""
        services = self._services
        subscriptions, unserved = self._figures.subscriptions.get(None)
        issues, problem = self._figures.plan.get(None)
        with services.database.read() as session:
            due = due_times(session)
        digests = [
            (
                name,
                services.settings.digest_title(name),
                digest,
                subscriptions.get(name, {}),
                min((at for key, at in due.items() if key.startswith(f"digest/{name}/")), default=None),
            )
            for name, digest in services.settings.digest.items()
        ]
        joint = [name for name, digest in services.settings.digest.items() if digest.merge == "subscriber"]
        return self._guard.page(
            call,
            "digests",
            digests=digests,
            joint=joint if len(joint) > 1 else [],
            issues=issues,
            problem=problem,
            unserved=unserved,
        )
