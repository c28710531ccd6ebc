"""Real workers on a real PostgreSQL: they share an issue, and whatever befalls one of them, another one goes on."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fleet import CONNECTIONS, Fleet
from running import free_port
from smtp_server import RecordingServer

from syndicate.errors import RelayError
from syndicate.io.smtp import SmtpSender
from syndicate.io.smtp_connection import SmtpConnection
from syndicate.service import worker as workers
from syndicate.service.passes import deliver_due
from syndicate.store.holders import DEAD_AFTER

# At most four messages are marked for each connection when a process dies.
IN_DOUBT = CONNECTIONS * 4


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, server: RecordingServer) -> Iterator[Fleet]:
    with Fleet(tmp_path, postgres_url, server) as fleet:
        yield fleet


def check(fleet: Fleet, issue_id: int, *, doubtful: int = 0) -> None:
    """Nobody is lost, nobody got two, and not more are in doubt than said."""
    issue = fleet.issue(issue_id)
    received = fleet.received()
    assert issue.counts.in_doubt <= doubtful
    assert issue.counts.accepted + issue.counts.in_doubt == issue.recipients
    assert issue.counts.accepted <= len(received) <= issue.recipients
    assert fleet.duplicates() == 0


@pytest.mark.slow
def test_two_workers_share_an_issue_and_end_in_order(fleet: Fleet, server: RecordingServer) -> None:
    server.delay = 0.02
    issue_id = fleet.freeze(600)
    workers = fleet.start(2)
    seen: set[int] = set()

    def done() -> bool:
        seen.update(fleet.holders())
        return fleet.issue(issue_id).state == "finished"

    fleet.until(done, "the issue's end")
    check(fleet, issue_id)
    assert seen == {worker.pid for worker in workers}
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        assert worker.wait(15) == 0
    for left in ("procrastinate_jobs", "procrastinate_workers", "batches", "holders"):
        assert fleet.number(f"SELECT count(*) FROM {left}") == 0, left  # noqa: S608 - names of tables


@pytest.mark.slow
def test_sigterm_in_the_middle_finishes_what_is_on_the_wire_and_hands_the_batch_on(
    fleet: Fleet, server: RecordingServer
) -> None:
    server.delay = 0.1
    issue_id = fleet.freeze(60)
    (worker,) = fleet.start()
    fleet.until(lambda: server.accepted > 5, "the first messages")
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert time.monotonic() - began < 10
    counts = fleet.issue(issue_id).counts
    assert (counts.sending, counts.in_doubt) == (0, 0)
    assert counts.accepted == server.accepted < 60
    assert fleet.number("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == 1
    server.delay = 0
    fleet.start()
    fleet.finished(issue_id)
    check(fleet, issue_id)


@pytest.mark.slow
def test_a_worker_killed_in_a_batch_loses_and_repeats_nothing(fleet: Fleet, server: RecordingServer) -> None:
    server.delay = 0.05
    issue_id = fleet.freeze(600)
    victim, _ = fleet.start(2)
    fleet.until(lambda: fleet.holders().get(victim.pid, 0) > 0 and server.accepted > 10, "a batch in its hands")
    victim.kill()
    killed_at = time.monotonic()
    fleet.until(lambda: fleet.holders().get(victim.pid, 0) == 0, "its batch in others' hands")
    # Nothing else on this machine is as slow as 15 s, unless it is the machine.
    print(f"its batch was taken over after {time.monotonic() - killed_at:.1f} s")  # noqa: T201 - told, not asserted
    server.delay = 0
    fleet.finished(issue_id)
    check(fleet, issue_id, doubtful=IN_DOUBT)


@pytest.mark.slow
def test_a_worker_that_was_frozen_sends_nothing_more_when_it_wakes_up(fleet: Fleet, server: RecordingServer) -> None:
    server.delay = 0.05
    issue_id = fleet.freeze(600)
    (sleeper,) = fleet.start()
    fleet.until(lambda: server.accepted > 10, "the first messages")
    sleeper.send_signal(signal.SIGSTOP)
    try:
        time.sleep(DEAD_AFTER.total_seconds())  # the one that starts then strikes it off the list of workers
        fleet.start()
        fleet.until(lambda: fleet.issue(issue_id).counts.sending <= IN_DOUBT, "the other one at work")
        server.delay = 0
        fleet.finished(issue_id)
        before = len(server.messages)
    finally:
        sleeper.send_signal(signal.SIGCONT)
    fleet.until(lambda: fleet.number("SELECT count(*) FROM procrastinate_workers") == 2, "the sleeper back at work")
    assert len(server.messages) - before <= CONNECTIONS  # on the wire when it was frozen
    check(fleet, issue_id, doubtful=IN_DOUBT)
    sleeper.send_signal(signal.SIGTERM)
    assert sleeper.wait(15) == 0


def test_a_job_that_was_lost_is_deferred_again(fleet: Fleet) -> None:
    issue_id = fleet.freeze(20)
    fleet.do("DELETE FROM procrastinate_jobs")
    with fleet.hired():
        fleet.finished(issue_id)
    check(fleet, issue_id)


def test_a_paused_issue_waits_and_a_resumed_one_goes_on(fleet: Fleet, server: RecordingServer) -> None:
    server.delay = 0.05
    issue_id = fleet.freeze(100)
    with fleet.hired():
        fleet.until(lambda: server.accepted > 5, "the first messages")
        fleet.pause(issue_id)
        fleet.until(lambda: fleet.number("SELECT count(*) FROM holders") == 0, "the batch given back")
        sent = server.accepted
        assert sent < 100
        assert fleet.number("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == 0
        assert fleet.issue(issue_id).counts.queued == 100 - sent
        server.delay = 0
        fleet.resume(issue_id)
        fleet.finished(issue_id)
    check(fleet, issue_id)


def test_what_is_deferred_is_tried_again_by_a_worker(fleet: Fleet, server: RecordingServer) -> None:
    server.replies["reader3@example.org"] = "450 4.2.0 greylisted"
    issue_id = fleet.freeze(10)
    with fleet.hired():
        fleet.until(lambda: fleet.issue(issue_id).counts.deferred == 1, "a deferred row")
        server.replies.clear()
        fleet.finished(issue_id)
    check(fleet, issue_id)


def test_connections_that_the_database_cuts_do_not_stop_a_worker(fleet: Fleet, server: RecordingServer) -> None:
    server.delay = 0.05
    issue_id = fleet.freeze(100)
    with fleet.hired():
        for _ in range(3):
            sent = server.accepted
            fleet.until(lambda sent=sent: server.accepted > sent + 5, "more messages")  # type: ignore[misc]
            fleet.do(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        server.delay = 0
        fleet.finished(issue_id)
    check(fleet, issue_id, doubtful=3 * IN_DOUBT)


def test_send_shares_the_issue_with_workers_and_needs_none(fleet: Fleet) -> None:
    issue_id = fleet.freeze(30)
    result = deliver_due(fleet.services, stop=threading.Event(), issues=[issue_id])
    assert result is not None
    check(fleet, issue_id)
    assert fleet.number("SELECT count(*) FROM batches") == 0
    # The jobs are still there: a worker that comes later finds nothing to do, and ends them.
    with fleet.hired():
        fleet.until(lambda: fleet.number("SELECT count(*) FROM procrastinate_jobs") == 0, "the jobs' quiet end")
    check(fleet, issue_id)


@pytest.mark.slow
def test_run_includes_a_worker(fleet: Fleet) -> None:
    issue_id = fleet.freeze(30)
    fleet.paper.port = free_port()
    fleet.paper.write()
    fleet.workers.append(fleet.paper.start("run"))
    fleet.finished(issue_id)
    check(fleet, issue_id)
    process = fleet.workers[-1]
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0


def test_a_relay_that_does_not_work_makes_a_worker_pause_and_costs_nobody_anything(
    fleet: Fleet, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue_id = fleet.freeze(10)
    broken = threading.Event()
    broken.set()
    connect = SmtpSender.connect

    def refusing(sender: SmtpSender) -> SmtpConnection:
        if broken.is_set():
            raise RelayError("refuses connections")
        return connect(sender)

    monkeypatch.setattr(SmtpSender, "connect", refusing)
    monkeypatch.setattr(workers, "FIRST_PAUSE", timedelta(milliseconds=50))
    with fleet.hired():
        fleet.until(lambda: fleet.number("SELECT fence FROM batches") > 1, "two tries")
        counts = fleet.issue(issue_id).counts
        assert counts.queued + counts.sending == 10
        broken.clear()
        fleet.finished(issue_id)
    check(fleet, issue_id)


def test_a_pause_does_not_hold_up_the_end(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet.freeze(10)

    def refusing(_sender: SmtpSender) -> SmtpConnection:
        raise RelayError("refuses connections")

    monkeypatch.setattr(SmtpSender, "connect", refusing)
    monkeypatch.setattr(workers, "FIRST_PAUSE", timedelta(hours=1))
    with fleet.hired() as worker:
        fleet.until(lambda: fleet.number("SELECT fence FROM batches") > 0, "a try")
        assert worker.close(30)
    assert fleet.number("SELECT count(*) FROM procrastinate_jobs WHERE status = 'todo'") == 1


@pytest.mark.slow
def test_a_database_that_is_away_is_waited_for(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    issue_id = fleet.freeze(10)
    name = fleet.services.database.engine.url.database
    with fleet.server_wide() as server:
        server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with fleet.hired():
            fleet.until(lambda: "worker: " in caplog.text, "a line for the operator")
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            fleet.finished(issue_id)
    assert "Traceback" not in caplog.text
    check(fleet, issue_id)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["skip", "resend"])
def test_workers_killed_and_frozen_at_random(
    tmp_path: Path, postgres_url: str, server: RecordingServer, policy: str
) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # noqa: T201 - shown by pytest when the test failed
    chance = random.Random(seed)  # noqa: S311 - not a secret
    server.delay = 0.05
    troubles = 0
    with Fleet(tmp_path, postgres_url, server, policy=policy) as fleet:
        issue_id = fleet.freeze(1_500)
        fleet.start(3)
        frozen: set[int] = set()
        while fleet.issue(issue_id).counts.queued > 200 and troubles < 20:
            time.sleep(chance.uniform(0.2, 2))
            victim = chance.choice([worker for worker in fleet.workers if worker.poll() is None])
            troubles += 1
            if chance.random() < 0.5:
                victim.kill()
                victim.wait(10)
                frozen.discard(victim.pid)
            elif victim.pid in frozen:
                victim.send_signal(signal.SIGCONT)
                frozen.discard(victim.pid)
            else:
                victim.send_signal(signal.SIGSTOP)
                frozen.add(victim.pid)
            while sum(worker.poll() is None for worker in fleet.workers) - len(frozen) < 2:
                fleet.start()
        for worker in fleet.workers:
            if worker.pid in frozen:
                worker.send_signal(signal.SIGCONT)
        server.delay = 0
        issue = fleet.finished(issue_id)
        received = fleet.received()
        print(f"{troubles} troubles, {issue.counts}, {len(received)} received, {fleet.duplicates()} twice")  # noqa: T201
        if policy == "skip":
            check(fleet, issue_id, doubtful=troubles * IN_DOUBT)
        else:
            assert issue.counts.accepted == issue.recipients == len(received)
            assert fleet.duplicates() <= troubles * IN_DOUBT
