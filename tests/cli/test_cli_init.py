from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import frontmatter
from calls import Call

from syndicate.config.load import inspect_settings
from syndicate.config.sources import FolderSource
from syndicate.shipped import shipped


def test_a_new_folder_works_as_it_is(syndicate: Call, tmp_path: Path) -> None:
    assert syndicate("init", "paper").status == 0
    settings, problems = inspect_settings(tmp_path / "paper" / "config.toml", {})
    assert problems == []
    assert settings is not None
    stories = settings.source["stories"]
    assert isinstance(stories, FolderSource)
    assert len(settings.feed) == 1
    assert len(settings.digest) == 1
    assert settings.delivery.transport == "maildir"
    assert settings.path(settings.delivery.outbox) == tmp_path / "paper" / "outbox"
    assert settings.feeds_path.is_dir()
    result = syndicate("-c", "paper/config.toml", "check")
    assert (result.status, result.out, result.err) == (0, "paper/config.toml: no errors, no warnings\n", "")


def test_the_first_article_is_new_today(syndicate: Call, tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    syndicate("init")
    text = (tmp_path / "articles" / "welcome.md").read_text()
    article = frontmatter.loads(text)
    date = article["date"]
    assert isinstance(date, datetime)
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    assert timedelta() <= date - before < timedelta(minutes=5)
    assert article["title"]
    assert article.content


def test_the_templates_are_copied_as_they_are_shipped(syndicate: Call, tmp_path: Path) -> None:
    syndicate("init")
    source = shipped("templates")
    names = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert names
    assert {
        path.relative_to(tmp_path / "templates") for path in (tmp_path / "templates").rglob("*") if path.is_file()
    } == names
    for name in names:
        assert (tmp_path / "templates" / name).read_bytes() == (source / name).read_bytes()


def test_nothing_is_ever_overwritten(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("# mine\n")
    (tmp_path / "articles").mkdir()
    (tmp_path / "articles" / "mine.md").write_text("mine")
    first = syndicate("init", "--json")
    assert first.status == 0
    assert first.document["kept"] == ["config.toml"]
    assert "articles/welcome.md" in first.document["created"]
    assert Path(first.document["folder"]) == tmp_path.resolve()
    assert (tmp_path / "config.toml").read_text() == "# mine\n"

    second = syndicate("init", "--json")
    assert second.document["created"] == []
    assert sorted(second.document["kept"]) == sorted([*first.document["kept"], *first.document["created"]])
    assert "kept     config.toml" in syndicate("init").out
    assert (tmp_path / "articles" / "mine.md").read_text() == "mine"


def test_a_link_is_not_followed_and_overwritten(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert "config.toml" in syndicate("init", "--json").document["kept"]
    assert not (tmp_path / "elsewhere.toml").exists()


def test_the_next_steps_are_told(syndicate: Call, tmp_path: Path) -> None:
    assert "cd paper && syndicate check" in syndicate("init", "paper").out
    assert "then `syndicate check`" in syndicate("init").out


def test_a_file_is_no_folder(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "paper").write_text("x")
    result = syndicate("init", "paper")
    assert (result.status, result.out) == (2, "")
    assert result.err == "syndicate: paper is a file; give the name of a folder\n"


def test_a_file_in_the_way_is_named(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "articles").write_text("x")
    result = syndicate("init")
    assert result.status == 1
    assert result.err.startswith("syndicate: cannot write articles: ")


def test_a_place_that_cannot_be_written_is_one_line(syndicate: Call) -> None:
    result = syndicate("init", "/dev/null/paper")  # root may write everywhere else
    assert result.status == 1
    assert "Not a directory" in result.err
    assert len(result.err.strip().splitlines()) == 1
