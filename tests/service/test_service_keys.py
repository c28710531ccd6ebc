"""secret.key belongs to its database: without it, or with another, nothing is signed and nothing replaced."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from publisher import Publisher

from syndicate.errors import KeyFileError


@pytest.fixture
def paper(tmp_path: Path, database_url: str) -> Publisher:
    paper = Publisher(tmp_path, database=database_url).write()
    paper.article("a")
    return paper


def test_a_missing_file_is_not_replaced_and_what_to_do_is_said(paper: Publisher) -> None:
    paper.run("subscribers", "import", str(paper.readers(2)), "--confirmed")
    paper.run("poll")
    keys = paper.folder / "secret.key"
    content = keys.read_bytes()
    backup = paper.folder / "backup.tar.gz"
    paper.run("backup", str(backup))
    keys.unlink()
    for command in (("send", "morning"), ("run",), ("web",), ("backup", str(paper.folder / "other.tar.gz"))):
        complaint = paper.run(*command, status=1)
        assert "secret.key is missing, and the database is used with it" in complaint
        assert "restore" in complaint
        assert not keys.exists()
    assert paper.json("issues", "list")["issues"] == []
    keys.write_bytes(content)
    assert paper.json("send", "morning")["counts"]["accepted"] == 2


def test_a_second_machine_needs_the_keys_of_the_first(paper: Publisher, tmp_path: Path) -> None:
    first = paper.services(lambda: datetime.now(UTC))
    keyring = first.keyring
    keys = paper.folder / "secret.key"
    keys.rename(tmp_path / "first.key")
    other = paper.services(lambda: datetime.now(UTC))
    with pytest.raises(KeyFileError, match="is missing"):
        _ = other.keyring
    empty = Publisher(tmp_path / "elsewhere").write()
    _ = empty.services(lambda: datetime.now(UTC)).keyring
    keys.write_bytes((empty.folder / "secret.key").read_bytes())
    with pytest.raises(KeyFileError, match="holds other keys"):
        _ = other.keyring
    (tmp_path / "first.key").replace(keys)
    assert other.keyring == keyring
    paper.close()
    empty.close()


def test_two_first_starts_with_a_file_each_leave_one_of_them_out(paper: Publisher, tmp_path: Path) -> None:
    one, other = (paper.services(lambda: datetime.now(UTC)) for _ in range(2))
    service = other.settings.service.model_copy(update={"secret_key_file": tmp_path / "other.key"})
    other.settings = other.settings.model_copy(update={"service": service})
    _ = other.database, one.keyring
    with pytest.raises(KeyFileError, match=r"other\.key is missing"):
        _ = other.keyring
    paper.close()
