"""Files replaced under the eyes of readers, of killed writers and of full disks."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syndicate.errors import DiskFullError, FeedError
from syndicate.io.files import file_size, free_bytes, holds, locked_folder, remove_file, replace_file

OLD, NEW = b"old" * 20_000, b"new" * 90_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_made_with_its_folders_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "feeds" / "all" / "rss.xml"
    replace_file(path, OLD)
    assert path.read_bytes() == OLD
    replace_file(path, NEW)
    assert path.read_bytes() == NEW
    replace_file(path, b"")
    assert path.read_bytes() == b""
    assert names(path.parent) == ["rss.xml"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o000, 0o644)])
def test_the_mode_respects_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        replace_file(tmp_path / "rss.xml", OLD)
    finally:
        os.umask(before)
    assert (tmp_path / "rss.xml").stat().st_mode & 0o777 == mode


def test_readers_never_see_a_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    replace_file(path, OLD)
    torn: list[int] = []
    reads = 0
    stop = threading.Event()

    def read() -> None:
        nonlocal reads
        while not stop.is_set():
            with path.open("rb") as file:
                promised = os.fstat(file.fileno()).st_size
                data = file.read(1000)
                time.sleep(0)  # the writer may come in between
                data += file.read()
            reads += 1
            if data not in {OLD, NEW} or len(data) != promised:
                torn.append(len(data))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(150):
        replace_file(path, (OLD, NEW)[turn % 2])
    stop.set()
    for thread in threads:
        thread.join()
    assert reads > 50
    assert torn == []


KILLED = """
import itertools, sys
from pathlib import Path
from syndicate.io.files import replace_file
path = Path(sys.argv[1])
for turn in itertools.count():
    replace_file(path, (b"old" * 20_000, b"new" * 90_000)[turn % 2])
    if turn == 2:
        print("writing", flush=True)
"""


def test_a_killed_writer_leaves_a_whole_file_and_what_it_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    left = set()
    for turn in range(6):
        process = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stdout.readline() == b"writing\n"
        time.sleep(0.003 * turn)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert path.read_bytes() in {OLD, NEW}
        left |= set(names(tmp_path)) - {"rss.xml"}
        assert all(name.startswith(".rss.xml.") for name in left)
    replace_file(path, OLD)
    assert names(tmp_path) == ["rss.xml"]


def test_only_leftovers_of_ours_that_nobody_holds_are_removed(tmp_path: Path) -> None:
    ours, held, foreign = ".a.xml.00.syndicate.tmp", ".a.xml.11.syndicate.tmp", ".a.xml.tmp"
    for name in (ours, held, foreign):
        (tmp_path / name).write_text("x")
    with (tmp_path / held).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as a writer in another process does until the file bears its name
        replace_file(tmp_path / "rss.xml", OLD)
        assert names(tmp_path) == [held, foreign, "rss.xml"]
    remove_file(tmp_path / "rss.xml")
    assert names(tmp_path) == [foreign]


FULL = """
import resource, sys
from pathlib import Path
from syndicate.errors import DiskFullError
from syndicate.io.files import replace_file
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    replace_file(Path(sys.argv[1]), b"new" * 90_000)
except DiskFullError as error:
    print(error)
"""


def test_a_write_that_finds_no_room_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    replace_file(path, OLD)
    done = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, check=True)
    assert str(path) in done.stdout
    assert "make room" in done.stdout
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["rss.xml"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 200 KB, where this process may mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        assert os.environ.get("CI") != "true", "CI must be able to mount a small file system"
        pytest.skip("mounting a small file system needs more rights; the limit on file sizes stands in for it above")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk / "rss.xml"
        replace_file(path, OLD)
        with pytest.raises(DiskFullError, match=r"rss\.xml was not written: No space left"):
            replace_file(path, NEW)
        assert path.read_bytes() == OLD
        assert names(disk) == ["rss.xml"]
        assert free_bytes(path) < 200_000


def test_a_folder_in_the_way_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "rss.xml" / "inside").mkdir(parents=True)
    with pytest.raises(FeedError, match=r"rss\.xml was not written: Is a directory.*permissions"):
        replace_file(tmp_path / "rss.xml", OLD)
    assert names(tmp_path) == ["rss.xml"]


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "all").write_text("a file")
    with pytest.raises(FeedError, match=r"all/rss\.xml was not written"):
        replace_file(tmp_path / "all" / "rss.xml", OLD)
    assert (tmp_path / "all").read_text() == "a file"


def test_removing_takes_the_empty_folder_and_no_other(tmp_path: Path) -> None:
    for name in ("a/rss.xml", "b/rss.xml", "b/own.html"):
        replace_file(tmp_path / name, OLD)
    remove_file(tmp_path / "a" / "rss.xml")
    remove_file(tmp_path / "b" / "rss.xml")
    remove_file(tmp_path / "c" / "rss.xml")
    assert names(tmp_path) == ["b"]
    assert names(tmp_path / "b") == ["own.html"]
    with pytest.raises(FeedError, match="was not removed"):
        remove_file(tmp_path / "b")


def test_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "rss.xml"
    assert not holds(path, b"")
    assert file_size(path) is None
    replace_file(path, b"abc")
    assert holds(path, b"abc")
    assert not holds(path, b"abd")
    assert file_size(path) == 3
    assert not holds(tmp_path, b"")


def test_free_bytes_of_a_folder_to_come(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    assert free_bytes(tmp_path / "not" / "yet") == pytest.approx(status.f_bavail * status.f_frsize, rel=0.2)


def test_one_holds_a_folder_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "feeds"
    order: list[str] = []

    def other() -> None:
        with locked_folder(folder):
            order.append("other")

    with locked_folder(folder):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
    (tmp_path / "file").write_text("")
    with pytest.raises(FeedError, match="file"), locked_folder(tmp_path / "file"):
        pass
