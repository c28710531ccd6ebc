from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.limits import CLEAN, Limit, Usage, factor_at, in_force, most
from syndicate.core.outcomes import Stage, outcome_of_reply
from syndicate.core.pressure import failed, is_pressure, pressed, reason_of, tightened, worked
from syndicate.model import Outcome, OutcomeKind, Rate

NOW = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SET = Limit(rate=Rate(160, MINUTE))


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (421, "4.7.0 Try again later, closing connection", True),
        (421, "too many connections", True),
        (450, "4.7.1 too much mail from 192.0.2.1", True),
        (451, "4.7.650 The mail server has been temporarily rate limited", True),
        (452, "4.7.28 unusual rate of unsolicited mail", True),
        (450, "4.2.0 <reader@example.org>: Greylisted", False),
        (451, "4.7.1 Greylisting in action, please come back in 00:05:00", False),
        (450, "4.2.1 mailbox busy", False),
        (452, "4.2.2 mailbox full", False),
        (451, "4.3.0 try again later", False),
        (550, "5.7.1 blocked", False),
        (250, "2.0.0 ok", False),
    ],
)
def test_only_421_and_4_7_x_are_about_how_much_we_send(code: int, text: str, expected: bool) -> None:
    assert is_pressure(outcome_of_reply(code, text, relay="r", stage=Stage.MESSAGE)) is expected


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.MESSAGE])
def test_what_is_said_before_a_recipient_is_named_is_about_the_relay(stage: Stage) -> None:
    outcome = outcome_of_reply(421, "4.7.0 slow down", relay="r", stage=stage)
    assert outcome.about_relay is (stage is Stage.MAIL)


def test_the_reason_has_the_codes_and_not_the_words() -> None:
    outcome = Outcome(
        kind=OutcomeKind.DEFERRED, code=421, enhanced="4.7.0", text="4.7.0 <reader@example.org> slow down"
    )
    assert reason_of(outcome) == "421 4.7.0"


def test_a_configured_rate_is_halved_at_each_incident_down_to_a_floor() -> None:
    usage, now, factors = Usage(), NOW, []
    for _ in range(7):
        usage = pressed(SET, usage, "421", now)
        factors.append(factor_at(usage, now))
        now += timedelta(seconds=20)
    assert factors == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16, 1 / 16, 1 / 16]
    assert usage.paused_until is None


def test_what_all_connections_hear_at_once_counts_once() -> None:
    usage = pressed(SET, Usage(), "421", NOW)
    assert pressed(SET, usage, "421", NOW + timedelta(seconds=3)) == usage


def test_without_a_rate_it_pauses_longer_each_time_and_anew_after_a_calm() -> None:
    usage, now, pauses = Usage(), NOW, []
    for _ in range(6):
        usage = pressed(Limit(), usage, "421 4.7.0", now)
        assert usage.paused_until is not None
        assert pressed(Limit(), usage, "421 4.7.0", now + MINUTE / 2) == usage
        pauses.append((usage.paused_until - now) // MINUTE)
        now = usage.paused_until + timedelta(seconds=1)
    assert pauses == [1, 5, 15, 30, 60, 60]
    calm = pressed(Limit(), usage, "421", now + timedelta(hours=2))
    assert calm.paused_until == now + timedelta(hours=2) + MINUTE


def test_after_a_pause_half_of_all_connections_are_left_and_grow_back() -> None:
    usage = pressed(Limit(), Usage(), "421", NOW)
    at = NOW + MINUTE
    assert most(tightened(Limit(), usage, widest=10, now=NOW), usage, now=NOW) == 0
    assert most(tightened(Limit(), usage, widest=10, now=at), usage, now=at) == 5
    assert most(tightened(Limit(), usage, widest=10, now=at + 4 * CLEAN), usage, now=at + 4 * CLEAN) == 7
    assert tightened(Limit(), usage, widest=10, now=at + 8 * CLEAN) == Limit()
    assert not in_force(usage, at + 8 * CLEAN)


@given(st.lists(st.integers(0, 2000), max_size=30), st.booleans())
def test_a_limit_is_never_wider_than_set_nor_closed_for_good(waits: list[int], rated: bool) -> None:
    limit, usage, now = (SET if rated else Limit()), Usage(), NOW
    for wait in waits:
        now += timedelta(seconds=wait)
        usage = pressed(limit, usage, "421", now)
        assert 1 / 16 <= factor_at(usage, now) <= 1
    later = now + timedelta(hours=2)
    assert factor_at(usage, later) == 1
    assert not in_force(usage, later)


def test_a_relay_that_fails_is_left_alone_from_seconds_to_minutes_until_it_works() -> None:
    usage, now, pauses = Usage(), NOW, []
    for _ in range(9):
        usage = failed(usage, "refused", now)
        assert usage.paused_until is not None
        assert failed(usage, "refused", now) == usage
        pauses.append((usage.paused_until - now).total_seconds())
        now = usage.paused_until
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    usage = worked(usage)
    assert not in_force(usage, now)
    again = failed(usage, "refused", now)
    assert again.paused_until == now + timedelta(seconds=5)
    assert worked(Usage(factor=0.5, pressed_at=NOW, reason="421")) == Usage(factor=0.5, pressed_at=NOW, reason="421")
