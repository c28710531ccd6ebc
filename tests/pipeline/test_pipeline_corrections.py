"""Corrections: told once to those who got the article, to nobody else; derived from the ledger."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from world import ScriptedSender, World, accept, courier

from syndicate.core.fate import Fate
from syndicate.model import Envelope, IssueState, Keyring, Outcome, OutcomeKind
from syndicate.pipeline.why import why
from syndicate.store.corrections import owe_corrections
from syndicate.store.engine import Database

ADA, BO = "ada@example.org", "bo@example.org"


@pytest.fixture
def world(database: Database, keyring: Keyring, now: datetime) -> World:
    world = World(database, courier(), keyring, now)
    world.subscriber(ADA)
    world.article("ferry", title="Ferry sails at 9")
    world.poll()
    return world


def morning(world: World, sender: ScriptedSender | None = None) -> dict[str, tuple[list[str], list[str]]]:
    """The next day's issue: what each reader was told as new and as updated."""
    world.now += timedelta(days=1)
    sender = sender or ScriptedSender()
    before = len(sender.got)
    world.compose(f"daily/{world.now:%Y-%m-%d}")
    world.deliver(sender)
    told = {}
    for envelope, message in list(zip(sender.got, sender.messages(), strict=True))[before:]:
        part, page = message.get_body(("plain",)), message.get_body(("html",))
        assert part is not None
        assert page is not None
        text = "\n".join(part.get_content().splitlines())
        updated = re.findall(r"^- Updated: (.+?)(?:: .*)?$", text, re.MULTILINE)
        new = re.findall(r"^((?:Ferry|Story) .+?)(?: \[\d+\])?$", text, re.MULTILINE)
        assert ("Updated:" in page.get_content()) == bool(updated)
        told[envelope.recipient] = (new, updated)
    return told


def correct(world: World, title: str = "Ferry sails at 10", key: str = "ferry") -> None:
    world.now += timedelta(minutes=1)
    world.article(key, title=title, age=timedelta(hours=1))
    world.poll()


def another(world: World, key: str) -> None:
    world.article(key)
    world.poll()


def test_who_got_it_is_told_with_the_next_issue_once_for_each_version(world: World) -> None:
    assert morning(world) == {ADA: (["Ferry sails at 9"], [])}
    correct(world)
    assert morning(world) == {}  # a correction alone makes no issue
    another(world, "choir")
    assert morning(world) == {ADA: (["Story choir"], ["Ferry sails at 10"])}
    another(world, "storm")
    assert morning(world) == {ADA: (["Story storm"], [])}
    correct(world, "Ferry sails at 11")
    another(world, "play")
    assert morning(world) == {ADA: (["Story play"], ["Ferry sails at 11"])}
    another(world, "fair")
    assert morning(world) == {ADA: (["Story fair"], [])}


def test_two_versions_between_two_issues_are_one_correction_and_spelling_is_none(world: World) -> None:
    morning(world)
    correct(world, "Ferry sails at 10")
    correct(world, "Ferry sails at 11")
    another(world, "choir")
    assert morning(world) == {ADA: (["Story choir"], ["Ferry sails at 11"])}
    correct(world, "Frery sails at 11")
    another(world, "storm")
    assert morning(world) == {ADA: (["Story storm"], [])}


def test_who_never_got_it_is_told_nothing(world: World) -> None:
    world.subscriber(BO, topics={"culture": 0})
    morning(world)
    correct(world)
    world.article("choir", category="culture")
    world.subscriber("cy@example.org")  # joins now: the new version is new to them
    world.poll()
    told = morning(world)
    assert told[ADA] == (["Story choir"], ["Ferry sails at 10"])
    assert told[BO] == (["Story choir"], [])
    assert sorted(told["cy@example.org"][0]) == ["Ferry sails at 10", "Story choir"]
    assert told["cy@example.org"][1] == []


def test_whose_mail_was_refused_never_got_it_and_whose_correction_was_refused_is_owed_it_still(world: World) -> None:
    world.subscriber(BO)

    def refusing(email: str) -> ScriptedSender:
        def answer(envelope: Envelope) -> Outcome:
            if envelope.recipient == email:
                return Outcome(kind=OutcomeKind.REJECTED, code=554, text="5.7.1 blocked", relay="scripted")
            return accept(envelope)

        return ScriptedSender(answer=answer)

    morning(world, refusing(BO))
    correct(world)
    another(world, "choir")
    told = morning(world, refusing(ADA))
    assert told == {BO: (["Story choir"], [])}
    another(world, "storm")
    assert morning(world) == {ADA: (["Story storm"], ["Ferry sails at 10"]), BO: (["Story storm"], [])}


def test_it_can_be_asked_again_at_any_time(world: World) -> None:
    morning(world)
    correct(world)
    with world.database.write() as session:
        assert owe_corrections(session, "morning", world.now) == 1
    with world.database.write() as session:
        assert owe_corrections(session, "morning", world.now) == 0
    another(world, "choir")
    assert morning(world) == {ADA: (["Story choir"], ["Ferry sails at 10"])}
    with world.database.write() as session:
        assert owe_corrections(session, "morning", world.now) == 0


def test_a_withdrawn_article_is_no_correction_and_none_turns_it_off(
    database: Database, keyring: Keyring, now: datetime
) -> None:
    world = World(database, courier(corrections="none"), keyring, now)
    world.subscriber(ADA)
    world.article("ferry", title="Ferry sails at 9")
    world.poll()
    morning(world)
    correct(world)
    another(world, "choir")
    assert morning(world) == {ADA: (["Story choir"], [])}
    world.settings = courier()
    world.article("ferry", withdrawn=True)
    another(world, "storm")
    assert morning(world) == {ADA: (["Story storm"], [])}


def test_why_tells_of_the_correction(world: World) -> None:
    morning(world)
    correct(world)
    another(world, "choir")
    morning(world)
    told = why(world.database, world.settings, world.keyring, ADA, article="https://courier.example/ferry")
    newest, first = (each for each in told.issues if each.issue.state is not IssueState.SKIPPED)
    assert newest.article is not None
    assert first.article is not None
    assert (newest.article.fate, first.article.fate) == (Fate.CORRECTION, Fate.FULL)
    assert "as a correction" in newest.article.because


def test_a_cancelled_draft_gives_corrections_back_too(database: Database, keyring: Keyring, now: datetime) -> None:
    from syndicate.pipeline import control

    world = World(database, courier(), keyring, now)
    world.subscriber(ADA)
    world.article("ferry", title="Ferry sails at 9")
    world.poll()
    morning(world)
    correct(world)
    another(world, "choir")
    world.settings = courier(approval="hold")
    assert morning(world) == {}
    another(world, "storm")
    assert morning(world) == {}
    control.cancel(database, 2, world.now)
    control.cancel(database, 3, world.now)
    world.settings = courier()
    another(world, "play")
    ((new, updated),) = morning(world).values()
    assert (sorted(new), updated) == (["Story choir", "Story play", "Story storm"], ["Ferry sails at 10"])
