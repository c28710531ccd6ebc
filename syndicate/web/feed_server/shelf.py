"""The documents at hand: loaded when first asked for, looked at again after each publication, least used ones let go.

All of it runs in the event loop's thread; what blocks (files, the store) is handed to other threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from syndicate.core.websub import SERVED_AFTER
from syndicate.errors import SyndicateError
from syndicate.store.published import Standing
from syndicate.web.feed_server.held import Held

log = logging.getLogger(__name__)

LIMIT: Final = 256_000_000  # bytes
LOOK_EVERY: Final = SERVED_AFTER.total_seconds()  # between two looks for what was published: 1 ms each
# Without a word from the store the files are looked at this often: a twin may come later, a folder from elsewhere.
FILES_EVERY: Final = 30.0
_PATIENCE: Final = 0.25  # seconds a request waits for a store that is busy; then what is at hand will do


@dataclass(slots=True)
class _Place:
    held: Held
    epoch: int


class Shelf:
    """``read(path, previous)`` loads a document or finds it unchanged; ``stand()`` asks the store. Both block."""

    def __init__(
        self, read: Callable[[str, Held | None], Held | None], stand: Callable[[], Standing], *, limit: int = LIMIT
    ) -> None:
        self._read = read
        self._stand = stand
        self._limit = limit
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._weight = 0
        self._epoch = 0
        self._look_at = 0.0
        self._files_at = 0.0
        self._loading: dict[tuple[int, str], asyncio.Task[Any]] = {}
        self._failing = False
        self.standing = Standing()

    def at_hand(self, path: str) -> Held | None:
        """A document that can be sent at once; None when it must be looked for."""
        place = self._places.get(path)
        if place is None or place.epoch != self._epoch or time.monotonic() >= self._look_at:
            return None
        self._places.move_to_end(path)
        return place.held

    async def look(self) -> None:
        """Learn what was published since, if the last look was long ago. A store that is silent changes nothing."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        if now >= self._files_at:
            self._turn(now)
        asked = self._once("", self._ask())
        await asyncio.wait({asked}, timeout=_PATIENCE)

    async def find(self, path: str) -> Held | None:
        """A document as it stands now, None when there is none."""
        await self.look()
        held = self.at_hand(path)
        return held if held is not None else await self._once(path, self._load(path))

    async def _ask(self) -> None:
        try:
            standing = await asyncio.to_thread(self._stand)
        except SyndicateError as error:
            if not self._failing:
                log.warning("feeds are served as they are at hand: %s", error)
            self._failing = True
            return
        self._failing = False
        if standing.generation != self.standing.generation:
            self._turn(time.monotonic())
        self.standing = standing

    def _turn(self, now: float) -> None:
        """From now on every document is looked at once more before it is sent."""
        self._epoch += 1
        self._files_at = now + FILES_EVERY

    async def _load(self, path: str) -> Held | None:
        epoch = self._epoch
        place = self._places.get(path)
        held = await asyncio.to_thread(self._read, path, place.held if place else None)
        self._put(path, held, epoch)
        return held

    def _put(self, path: str, held: Held | None, epoch: int) -> None:
        before = self._places.pop(path, None)
        self._weight -= before.held.weight if before else 0
        if held is None:
            return
        self._places[path] = _Place(held, epoch)
        self._weight += held.weight
        while self._weight > self._limit and self._places:
            _, oldest = self._places.popitem(last=False)
            self._weight -= oldest.held.weight

    def _once(self, key: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do what many requests wait for one time; each loop has tasks of its own."""
        place = (id(asyncio.get_running_loop()), key)
        if place in self._loading:
            work.close()
            return self._loading[place]
        task = asyncio.get_running_loop().create_task(work)
        self._loading[place] = task
        task.add_done_callback(lambda _: self._loading.pop(place, None))
        return task
