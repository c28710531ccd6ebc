"""The short form of `make crash`: a few kills at random moments, over both databases and all policies."""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_ordeal import Ordeal
from crash_sink import running_sink


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["ask", "skip", "resend"])
def test_kills_lose_nothing_and_repeat_nothing(tmp_path: Path, database_url: str, policy: str) -> None:
    with running_sink(tmp_path / "accepted", milliseconds=4) as sink:
        report = Ordeal(tmp_path, database_url, sink, policy=policy).undergo(kills=8)
    assert report.faults() == [], report.json()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["skip", "resend"])
def test_processes_that_share_are_killed_and_frozen(tmp_path: Path, postgres_url: str, policy: str) -> None:
    with running_sink(tmp_path / "accepted", milliseconds=4) as sink:
        report = Ordeal(tmp_path, postgres_url, sink, policy=policy, processes=2).undergo(kills=4, stops=3)
    assert report.faults() == [], report.json()
