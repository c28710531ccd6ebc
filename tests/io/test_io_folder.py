from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syndicate.config.sources import FolderSource
from syndicate.errors import SourceError
from syndicate.io.folder import FolderReader
from syndicate.io.sources import Known, Reading
from syndicate.model import SourceItem

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


class Shelf:
    """A folder with its reader, and what is known of it after each reading."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.path = path
        self.known: dict[str, str] = {}
        self.reader = FolderReader(
            "stories", FolderSource.model_validate({"type": "folder", "path": str(path), **settings}), path
        )

    def write(self, name: str, text: str | bytes = "---\ntitle: T\n---\nBody") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def read(self) -> tuple[dict[str, SourceItem], Reading]:
        known = Known(
            all=lambda: dict(self.known), some=lambda items: {i: self.known[i] for i in items if i in self.known}
        )
        reading = self.reader.read(known, {}, NOW)
        items = {item.item: item for page in reading.pages for item in page}
        for item in items.values():
            self.known[item.item] = item.stamp
        for gone in reading.removed or ():
            del self.known[gone]
        return items, reading


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "articles").mkdir()
    return Shelf(tmp_path / "articles")


def test_new_files_come_by_name_whatever_the_file_system_lists_first(shelf: Shelf) -> None:
    names = [f"{letter}/{n}.md" for letter in "qbx" for n in (7, 3, 5)]
    for name in names:
        shelf.write(name)
    assert list(shelf.read()[0]) == sorted(names)


def test_an_unchanged_folder_needs_no_known_stamps(shelf: Shelf) -> None:
    def refuse(*_asked: object) -> dict[str, str]:
        raise AssertionError("the stamps were read")

    shelf.write("a.md")
    _, first = shelf.read()
    again = shelf.reader.read(Known(all=refuse, some=refuse), first.state, NOW)
    assert [page for page in again.pages if page] == []
    assert (again.seen, again.removed, again.state) == (1, frozenset(), first.state)
    shelf.write("b.md")
    changed = shelf.reader.read(Known(all=lambda: dict(shelf.known), some=refuse), first.state, NOW)
    assert [item.item for page in changed.pages for item in page] == ["b.md"]
    again.look_again()
    with pytest.raises(AssertionError, match="were read"):
        list(shelf.reader.read(Known(all=refuse, some=refuse), again.state, NOW).pages)


def test_a_file_that_went_and_came_back_as_it_was_is_taken(shelf: Shelf) -> None:
    page = shelf.write("a.md")
    away = shelf.path / ".away"

    def take_away() -> dict[str, str]:  # after the scan, before the file is opened
        page.rename(away)
        return {}

    reading = shelf.reader.read(Known(all=take_away, some=lambda _items: {}), {}, NOW)
    assert [item for found in reading.pages for item in found] == []
    away.rename(page)
    back = shelf.reader.read(Known(all=dict, some=lambda _items: {}), reading.state, NOW)
    assert [item.item for found in back.pages for item in found] == ["a.md"]


def test_new_changed_and_gone(shelf: Shelf) -> None:
    shelf.write("a.md", "---\ntitle: A\ntags: [x]\n---\n*Body*")
    page = shelf.write("deep/er/b.html", "\ufeff<h1>B</h1>")
    items, reading = shelf.read()
    assert items["a.md"].fields == {"title": "A", "tags": ["x"]}
    assert (items["a.md"].body.strip(), items["a.md"].format) == ("*Body*", "markdown")
    assert (items["deep/er/b.html"].body, items["deep/er/b.html"].format) == ("<h1>B</h1>", "html")
    assert (reading.seen, reading.removed) == (2, frozenset())
    assert shelf.read()[0] == {}
    page.write_text("<h1>Another</h1>")
    (shelf.path / "a.md").unlink()
    items, reading = shelf.read()
    assert items.keys() == {"deep/er/b.html"}
    assert reading.removed == frozenset({"a.md"})


def test_what_is_gone_is_known_before_the_first_page(shelf: Shelf) -> None:
    shelf.write("old.md")
    shelf.read()
    (shelf.path / "old.md").rename(shelf.path / "new.md")
    reading = shelf.reader.read(Known(all=lambda: dict(shelf.known), some=lambda _: {}), {}, NOW)
    assert [item.item for item in next(reading.pages)] == ["new.md"]
    assert reading.removed == frozenset({"old.md"})


def test_only_what_is_wanted(shelf: Shelf) -> None:
    for name in ("a.md", "B.MD", "notes.txt", ".hidden.md", ".git/c.md", "image.png", "d.markdown", "e.htm"):
        shelf.write(name)
    os.mkfifo(shelf.path / "pipe.md")
    (shelf.path / "folder.md").mkdir()
    shelf.write("folder.md/f.md")
    assert shelf.read()[0].keys() == {"a.md", "B.MD", "d.markdown", "e.htm", "folder.md/f.md"}


def test_patterns_may_name_folders(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, patterns=["news/*.md", "*.html"])
    for name in ("news/a.md", "drafts/b.md", "c.md", "drafts/d.html"):
        shelf.write(name)
    assert shelf.read()[0].keys() == {"news/a.md", "drafts/d.html"}


def test_links_stay_inside(shelf: Shelf, tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("---\ntitle: Secret\n---\n")
    shelf.write(".data/real.md", "---\ntitle: Real\n---\n")
    (shelf.path / "inside.md").symlink_to(".data/real.md")
    (shelf.path / "outside.md").symlink_to(secret)
    (shelf.path / "nowhere.md").symlink_to("missing.md")
    (shelf.path / "loop.md").symlink_to("loop.md")
    (shelf.path / "around").symlink_to(shelf.path)
    (shelf.path / "away").symlink_to(tmp_path)
    items, _ = shelf.read()
    assert items["inside.md"].fields == {"title": "Real"}
    assert items.keys() == {"inside.md", "outside.md", "nowhere.md", "loop.md"}
    assert "out of the folder" in (items["outside.md"].error or "")
    assert "leads nowhere" in (items["nowhere.md"].error or "")
    assert "leads nowhere" in (items["loop.md"].error or "")
    assert shelf.read()[0] == {}
    (shelf.path / "missing.md").write_text("---\ntitle: There now\n---\n")
    assert shelf.read()[0].keys() == {"missing.md", "nowhere.md"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"---\ntitle: caf\xe9\n---\n", "no UTF-8 text"),
        ("---\ntitle: [x\n---\n", "no YAML, line 3"),
        ("---\ntitle: x", 'a line "---" must close it'),
        (b"x" * 2001, "2,001 bytes; more than 2,000"),
    ],
)
def test_a_broken_file_is_reported_once_and_again_when_it_changes(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    shelf = Shelf(tmp_path, max_article_size=2000)
    path = shelf.write("broken.md", text)
    shelf.write("good.md")
    items, _ = shelf.read()
    assert message in (items["broken.md"].error or "")
    assert items["good.md"].error is None
    assert shelf.read()[0] == {}
    path.write_text("---\ntitle: mended\n---\nnow")
    assert shelf.read()[0]["broken.md"].error is None


def test_a_missing_folder_withdraws_nothing(shelf: Shelf) -> None:
    shelf.write("a.md")
    shelf.read()
    shelf.path.rename(shelf.path.with_name("elsewhere"))
    with pytest.raises(SourceError, match="No such file or directory; source stories must be a folder"):
        shelf.read()
    shelf.path.write_text("a file")
    with pytest.raises(SourceError, match="Not a directory"):
        shelf.read()


def test_an_empty_folder_is_a_lost_mount_until_somebody_says_otherwise(shelf: Shelf) -> None:
    assert shelf.read()[1].seen == 0
    path = shelf.write("a.md")
    shelf.read()
    path.unlink()
    with pytest.raises(SourceError, match=r"is its disk mounted\? Nothing was withdrawn"):
        shelf.read()
    (shelf.path / ".keep").touch()
    assert shelf.read()[1].removed == frozenset({"a.md"})


def test_names_that_are_no_text_or_too_long(shelf: Shelf) -> None:
    Path(os.fsdecode(os.fsencode(shelf.path) + b"/caf\xe9.md")).write_text("---\ntitle: Latin\n---\n")
    shelf.write("/".join(["d" * 200] * 4).lstrip("/") + "/long.md")
    shelf.write("two  spaces.md")
    shelf.write("汐鳴.md")
    items, _ = shelf.read()
    assert len(items) == 4
    for item in items.values():
        assert item.error is None
        assert len(item.item) <= 500
        item.item.encode()
    assert "汐鳴.md" in items
    assert shelf.read()[0] == {}


def read_as_nobody(shelf: Shelf) -> str:
    """Read the shelf in a process that is not root, who may read everything."""
    program = textwrap.dedent(f"""
        import os, sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_io_folder import Shelf
        os.chdir({str(shelf.path)!r})
        if os.geteuid() == 0:
            os.setgid(65534), os.setuid(65534)
        shelf = Shelf(Path())
        shelf.known = {shelf.known!r}
        items, reading = shelf.read()
        print(sorted((item.item, item.error) for item in items.values()), sorted(reading.removed))
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_what_cannot_be_read_is_neither_seen_nor_gone(shelf: Shelf) -> None:
    shelf.write("open.md")
    closed = shelf.write("closed/a.md").parent
    private = shelf.write("private.md")
    shelf.read()
    os.utime(private)
    private.chmod(0)
    closed.chmod(0)
    try:
        assert read_as_nobody(shelf) == "[('closed/', 'Permission denied'), ('private.md', 'Permission denied')] []"
    finally:
        closed.chmod(0o755)
        private.chmod(0o644)
