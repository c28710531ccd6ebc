"""Any history of a folder: whatever people do to their files, numbers are given once, in order, and nothing is lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from paper import Paper
from postgres_copies import Copies

from syndicate.model import PollResult
from syndicate.store.articles import number_due
from syndicate.store.engine import Database

NAMES = st.sampled_from([f"{folder}{letter}.md" for folder in ("", "port/") for letter in "abcd"])
IDS = st.sampled_from([None, None, None, "one", "two", "three"])
DATES = st.sampled_from([None, timedelta(days=-3), timedelta(minutes=-1), timedelta(hours=1), timedelta(days=2)])


class History(RuleBasedStateMachine):
    """The folder as it stands, in ``files``; what the mirror must hold follows from it."""

    make_database: Callable[[Path], Database]

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="history-"))
        (self.home / "articles").mkdir()
        (self.home / "articles" / ".keep").touch()
        self.paper = Paper(type(self).make_database(self.home), self.home / "articles")
        self.files: dict[str, dict[str, Any]] = {}  # the good ones
        self.broken: set[str] = set()
        self.edits = 0
        self.seqs: dict[str, int] = {}
        self.uids: dict[str, str] = {}
        self.steady = True

    @initialize(names=st.lists(NAMES, max_size=4, unique=True))
    def begin(self, names: list[str]) -> None:
        for name in names:
            self.write(name, None, None, withdrawn=False)

    @rule(name=NAMES, key=IDS, date=DATES, withdrawn=st.booleans())
    def write(self, name: str, key: str | None, date: timedelta | None, withdrawn: bool) -> None:
        self.edits += 1
        fields: dict[str, Any] = {
            "id": key or name.removesuffix(".md"),
            "title": f"Edit {self.edits}",
            "withdrawn": withdrawn,
        }
        if date is not None:
            fields["date"] = (self.paper.now + date).isoformat()
        self.paper.write(name, fields["title"], **{key: value for key, value in fields.items() if key != "title"})
        self.files[name] = fields
        self.broken.discard(name)
        self.steady = False

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        (self.paper.path / name).unlink()
        del self.files[name]
        self.steady = False

    @precondition(lambda self: self.files)
    @rule(data=st.data(), to=NAMES)
    def rename(self, data: st.DataObject, to: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        target = self.paper.path / to
        target.parent.mkdir(exist_ok=True)
        (self.paper.path / name).replace(target)
        fields = self.files.pop(name)
        self.files[to] = fields
        self.broken.discard(to)
        self.steady = False

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def break_(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.files)))
        self.paper.raw(name, "---\ntitle: [never closed\n---\n")
        del self.files[name]
        self.broken.add(name)
        self.steady = False

    @rule(after=st.sampled_from([timedelta(minutes=1), timedelta(hours=2), timedelta(days=3)]))
    def poll(self, after: timedelta) -> None:
        result = self.paper.poll(after)
        self.check(result)
        self.steady = False  # what waited may be due by now, and only ``settle`` numbers it

    @rule()
    def settle(self) -> None:
        """Two polls: a file that was refused an id gets it at the poll after the id became free."""
        self.paper.poll()
        result = self.paper.poll()
        with self.paper.database.write() as session:
            number_due(session, self.paper.now)
        self.check(result)
        assert not self.paper.poll().changed
        self.steady = True

    def check(self, result: PollResult) -> None:
        assert result.error is None
        assert result.seen == len(self.files) + len(self.broken)
        assert self.broken <= {problem.item for problem in result.problems}
        rows = self.paper.ask("SELECT key, uid, seq, version, id FROM articles ORDER BY seq")
        versions = self.paper.ask("SELECT article_id, version FROM article_versions ORDER BY version")
        numbered = {row.key: row.seq for row in rows if row.seq is not None}
        for key, seq in self.seqs.items():
            assert numbered[key] == seq
        new = sorted(seq for key, seq in numbered.items() if key not in self.seqs)
        assert new == list(range(len(self.seqs) + 1, len(numbered) + 1))  # no gap, none twice, none from before
        self.seqs = numbered
        for row in rows:
            assert self.uids.setdefault(row.key, row.uid) == row.uid
            kept = [version for version in versions if version.article_id == row.id]
            assert [version.version for version in kept] == list(range(1, row.version))
        assert len(set(self.uids.values())) == len(self.uids)

    @invariant()
    def the_mirror_is_what_the_folder_says(self) -> None:
        if not self.steady:
            return
        shown = self.paper.articles()
        wanted = {fields["id"] for fields in self.files.values()}
        # A broken file keeps the article that it was.
        last_good = {
            key for (key,) in self.paper.ask("SELECT key FROM source_items WHERE error IS NOT NULL AND key IS NOT NULL")
        }
        assert shown.keys() <= wanted | last_good
        for key in wanted - last_good:
            claims = [fields for fields in self.files.values() if fields["id"] == key]
            readable = [fields for fields in claims if not fields["withdrawn"]]
            if len(claims) == 1 and readable and self.is_due(key):
                assert shown[key].title == claims[0]["title"]
                assert shown[key].seq is not None
            if key in shown:
                assert shown[key].title in {fields["title"] for fields in readable}

    def is_due(self, key: str) -> bool:
        if key in self.seqs:
            return True  # published once: a later date does not take it back
        (fields,) = [fields for fields in self.files.values() if fields["id"] == key]
        return "date" not in fields or datetime.fromisoformat(fields["date"]).astimezone(UTC) <= self.paper.now

    def teardown(self) -> None:
        self.paper.database.close()
        shutil.rmtree(self.home)


def examples(part: int) -> int:
    """A part of what the profile asks for: one history is twenty steps on disk."""
    return hypothesis_settings().max_examples // part


@pytest.mark.hypothesis
def test_any_history_on_sqlite(sqlite_template: Path) -> None:
    def make(home: Path) -> Database:
        shutil.copyfile(sqlite_template, home / "subscribers.db")
        return Database(f"sqlite:///{home / 'subscribers.db'}")

    class OnSqlite(History):
        make_database = staticmethod(make)

    run_state_machine_as_test(
        OnSqlite, settings=hypothesis_settings(max_examples=examples(4), stateful_step_count=20, deadline=None)
    )


@pytest.mark.hypothesis
def test_any_history_on_postgresql(postgres_copies: Copies, request: pytest.FixtureRequest) -> None:
    def make(_home: Path) -> Database:
        context = postgres_copies.one()
        name = context.__enter__()
        request.addfinalizer(lambda: context.__exit__(None, None, None))
        return Database(postgres_copies.server.url(name))

    class OnPostgresql(History):
        make_database = staticmethod(make)

    run_state_machine_as_test(
        OnPostgresql, settings=hypothesis_settings(max_examples=examples(10), stateful_step_count=20, deadline=None)
    )
