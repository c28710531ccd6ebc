"""`make crash`: at least a hundred kills over SQLite and PostgreSQL and all policies; one JSON line each, one for all.

Options: how many kills each combination gets (default 18), and a seed.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crash_ordeal import Ordeal, Report
from crash_sink import running_sink
from postgres import PostgresServer, postgres_server


@dataclass(frozen=True)
class Plan:
    """One combination."""

    database: str
    policy: str
    processes: int = 1

    @property
    def name(self) -> str:
        return f"{self.database} {self.policy} {self.processes}"


PLANS = (
    *(Plan(database, policy) for database in ("sqlite", "postgresql") for policy in ("ask", "skip", "resend")),
    *(Plan("postgresql", policy, processes=3) for policy in ("skip", "resend")),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=18)
    parser.add_argument("--readers", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--only", default="", help="combinations whose name holds this text")
    options = parser.parse_args()
    _say(f"seed {options.seed}")
    faults: list[str] = []
    reports = []
    with postgres_server() as server:
        for plan in PLANS:
            if options.only not in plan.name:
                continue
            report = _undergo(plan, server, options)
            reports.append(report)
            print(report.json(), flush=True)  # noqa: T201 - its result
            faults += [f"{plan.name}: {fault}" for fault in report.faults()]
    print(_total(reports).json(), flush=True)  # noqa: T201 - its result
    for fault in faults:
        _say(fault)
    return 1 if faults else 0


def _undergo(plan: Plan, server: PostgresServer, options: argparse.Namespace) -> Report:
    chance = random.Random(f"{options.seed} {plan.name}")  # noqa: S311 - to be repeated by its seed
    with tempfile.TemporaryDirectory(prefix="crash-") as name, _address(plan, server, Path(name)) as url:
        folder = Path(name)
        with running_sink(folder / "accepted", milliseconds=4) as sink:
            ordeal = Ordeal(
                folder,
                url,
                sink,
                policy=plan.policy,
                readers=options.readers,
                processes=plan.processes,
                chance=chance,
            )
            return ordeal.undergo(options.kills, stops=options.kills // 2 if plan.processes > 1 else 0)


@contextmanager
def _address(plan: Plan, server: PostgresServer, folder: Path) -> Iterator[str]:
    if plan.database == "sqlite":
        yield f"sqlite:///{folder / 'subscribers.db'}"
        return
    with server.database() as name:
        yield server.url(name)


def _total(reports: Sequence[Report]) -> Report:
    return Report(
        database="all",
        policy="all",
        processes=max(report.processes for report in reports),
        connections=max(report.connections for report in reports),
        recipients=sum(report.recipients for report in reports),
        accepted=sum(report.accepted for report in reports),
        duplicates=sum(report.duplicates for report in reports),
        lost=sum(report.lost for report in reports),
        in_doubt=sum(report.in_doubt for report in reports),
        kills=sum(report.kills for report in reports),
        kills_while_sending=sum(report.kills_while_sending for report in reports),
        stops=sum(report.stops for report in reports),
        most_in_doubt_per_kill=max(report.most_in_doubt_per_kill for report in reports),
        unbalanced=sum(report.unbalanced for report in reports),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - beside the result


if __name__ == "__main__":
    sys.exit(main())
