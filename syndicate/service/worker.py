"""A worker: takes batches up as Procrastinate's jobs bring them, and looks after those of others. PostgreSQL only.

Procrastinate dispatches; what may be sent is decided by the ledger. Any number of workers on any number of machines.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import uuid
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from typing import Any

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException

from syndicate.errors import SyndicateError, UsageError
from syndicate.pipeline.deliver import DeliverResult, LostHoldError, ParkingSender, deliver_batch, tend
from syndicate.service.collecting import collect_seldom
from syndicate.service.wiring import Services
from syndicate.store.holders import DEAD_AFTER, TOUCH_EVERY, remove_holder, touch_holder
from syndicate.store.jobs import QUEUE, TASK
from syndicate.store.seats import keep_seats

log = logging.getLogger(__name__)

TEND_EVERY = 2.0
# A job that was deferred wakes a worker up; one that was scheduled is found by looking.
LOOK_EVERY = 1.0
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)
# How long the database may be out of reach before the next try; it doubles up to the second.
FIRST_TRY, LAST_TRY = 1.0, 15.0


class Worker:
    """One process's share of the work. It sends one batch at a time, over ``connections`` connections at most."""

    def __init__(self, services: Services, *, connections: int | None = None) -> None:
        """Raises UsageError on SQLite."""
        if services.database.dialect == "sqlite":
            raise UsageError(
                f"{services.database.label} is SQLite, and there one process sends: `syndicate run` does it all. "
                "For workers, name a PostgreSQL database in [service] database (docs/scaling.md)"
            )
        self.services = services
        self.stop = threading.Event()
        self._connections = connections
        self._name = uuid.uuid4().hex
        self._pause = FIRST_PAUSE
        self._sending = threading.Lock()
        self._parked_as: str | None = None  # the holder that has the seats of the parked connections
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._threads = [
            threading.Thread(target=self._take_jobs, name="worker", daemon=True),
            threading.Thread(target=self._tend, name="tending", daemon=True),
        ]

    def start(self) -> None:
        """Begin to take batches up."""
        collect_seldom()
        for thread in self._threads:
            thread.start()

    def close(self, within: float) -> bool:
        """Finish what is on the wire, hand the batch on, and end; False when that took longer than so many seconds."""
        end = time.monotonic() + within
        self.stop.set()
        while self._threads[0].is_alive() and time.monotonic() < end:
            self._end_procrastinate()
            self._threads[0].join(0.2)
        self._threads[1].join(max(0.1, end - time.monotonic()))
        try:
            self._look_after_parked(older_than=0)
        except SyndicateError as error:
            log.info("worker: %s", error)
        return not any(thread.is_alive() for thread in self._threads)

    def _end_procrastinate(self) -> None:
        """Let it finish its job and end; without a stop it begins anew."""
        loop, serving = self._loop, self._serving
        if loop is not None and serving is not None:
            with suppress(RuntimeError):  # the loop was closed at this moment
                loop.call_soon_threadsafe(serving.cancel)

    @cached_property
    def _senders(self) -> list[ParkingSender]:
        return [ParkingSender(sender, connections=self._connections) for sender in self.services.senders]

    def _look_after_parked(self, *, older_than: float = TEND_EVERY) -> None:
        """Close connections that were not taken up again at once; show the life of the holder of the others' seats."""
        if "_senders" not in self.__dict__:
            return
        for sender in self._senders:
            sender.end_idle(older_than=older_than)
        if not self._sending.acquire(blocking=False):
            return  # a batch is being sent: its holder has the seats
        try:
            if self._parked_as is None:
                return
            still_open = {sender.label: sender.open for sender in self._senders}
            with self.services.database.write() as session:
                if any(still_open.values()) and touch_holder(session, self._parked_as, self.services.clock()):
                    keep_seats(session, self._parked_as, still_open)
                    return
                remove_holder(session, self._parked_as)
            self._let_go()
        finally:
            self._sending.release()

    def _let_go(self) -> None:
        """End the parked connections: nobody has their seats any more."""
        self._parked_as = None
        for sender in self._senders:
            sender.end_idle(older_than=0)

    def _take_jobs(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_told_briefly)
        pause, down = FIRST_TRY, False
        while not self.stop.is_set():
            began = time.monotonic()
            self._serving = asyncio.create_task(self._run_procrastinate())
            try:
                await self._serving
                error: BaseException | None = None
            except asyncio.CancelledError:
                continue  # that is how close() ends it
            except (ProcrastinateException, psycopg.Error) as raised:
                error = raised.__cause__ or raised
            finally:
                self._serving = None
            if self.stop.is_set():
                return
            pause = FIRST_TRY if time.monotonic() - began > LAST_TRY else pause
            if not down or pause == LAST_TRY:
                what = " ".join(str(error or "the connection broke").split())
                log.error("worker: %s: %s; trying again", self.services.database.label, what)
            down = True
            await asyncio.to_thread(self.stop.wait, pause)
            pause = min(pause * 2, LAST_TRY)

    async def _run_procrastinate(self) -> None:
        app = procrastinate.App(connector=self._connector())
        app.task(name=TASK, queue=QUEUE)(self.deliver)
        async with app.open_async():
            await app.run_worker_async(
                queues=[QUEUE],
                concurrency=1,
                fetch_job_polling_interval=LOOK_EVERY,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=TOUCH_EVERY.total_seconds(),
                stalled_worker_timeout=DEAD_AFTER.total_seconds(),
            )

    def _connector(self) -> procrastinate.PsycopgConnector:
        engine = self.services.database.engine
        _, address = engine.dialect.create_connect_args(engine.url)
        return procrastinate.PsycopgConnector(
            kwargs={**address, "connect_timeout": 10}, min_size=1, max_size=3, timeout=10.0, name="jobs"
        )

    def deliver(self, batch_id: int) -> None:
        """Do one job. What stops it is told, and makes this worker pause; the batch waits for another turn."""
        try:
            with self._sending:
                result = self._send(batch_id)
        except SyndicateError as error:
            self._rest(f"deliver: {error}")
        except Exception:
            log.exception("deliver: unexpected; it goes on after a pause. Please report this")
            self._rest(None)
        else:
            self._tell(result)

    def _send(self, batch_id: int) -> DeliverResult | None:
        services = self.services
        holder = services.holder(alone=False)
        before, self._parked_as = self._parked_as, None
        try:
            result = deliver_batch(
                services.database,
                self._senders,
                services.envelopes,
                batch_id,
                holder=holder,
                before=before,
                rules=services.rules,
                limits=services.limits,
                stop=self.stop,
                may_take=services.check_disk,
                log=log.error,
            )
        except BaseException:
            self._let_go()
            raise
        self._parked_as = holder.name
        return result

    def _tell(self, result: DeliverResult | None) -> None:
        if result is None:
            return
        if result.taken_over:
            log.warning("%d deliveries of a process that died: in doubt, or queued again", result.taken_over)
        if result.outcomes:
            log.info("delivered: %s", ", ".join(f"{count} {state}" for state, count in result.outcomes.items()))
        if isinstance(result.stopped_by, LostHoldError):
            log.warning("deliver: %s", result.stopped_by)
        elif result.stopped_by is not None:
            self._rest(f"deliver: {result.stopped_by}")
        else:
            self._pause = FIRST_PAUSE

    def _rest(self, why: str | None) -> None:
        """Wait before the next batch, longer each time: most likely it would meet the same trouble."""
        if why is not None:
            log.error("%s", why)
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        self.stop.wait(pause.total_seconds())

    def _tend(self) -> None:
        pause, looked_at = TEND_EVERY, time.monotonic()
        while not self.stop.wait(pause):
            if time.monotonic() - looked_at > pause + DEAD_AFTER.total_seconds():
                # This process stood still, and others may have struck it off Procrastinate's list of workers.
                log.warning("worker: this process stood still for a while; it registers again")
                self._end_procrastinate()
            looked_at = time.monotonic()
            try:
                self._look_after_parked()
                tended = tend(self.services.database, me=self._name, rules=self.services.rules)
            except SyndicateError as error:
                pause = min(pause * 2, LAST_TRY)
                log.error("worker: %s", error)
            except Exception:
                pause = LAST_TRY
                log.exception("worker: unexpected; it goes on after a pause. Please report this")
            else:
                pause = TEND_EVERY
                if tended.taken_over:
                    log.warning("%d deliveries of a process that died: in doubt, or queued again", tended.taken_over)
                if tended.called:
                    log.info("%d batches had lost their job", tended.called)


def _told_briefly(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A job whose end could not be noted: its worker was taken for dead, or the database went away. The ledger knows.
    error = context.get("exception")
    log.info("worker: %s", " ".join(str(error.__cause__ or error if error else context.get("message")).split()))
