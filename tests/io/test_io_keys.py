"""secret.key: made once whatever starts at the same time, never written over, rotated without losing older keys."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from syndicate.core.links import Purpose, sign, verify
from syndicate.errors import KeyFileError
from syndicate.io.keys import fingerprint, load_keyring, permission_problem, rotate


def test_made_at_the_first_start_and_the_same_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "secret.key"
    keyring = load_keyring(path)
    assert load_keyring(path) == keyring
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(keyring.keys[0].secret) == len(keyring.hash_key) == 32
    assert keyring.keys[0].secret != keyring.hash_key
    assert list(path.parent.iterdir()) == [path]


def test_the_secrets_of_two_places_differ(tmp_path: Path) -> None:
    one, other = load_keyring(tmp_path / "one.key"), load_keyring(tmp_path / "other.key")
    assert one.keys[0].secret != other.keys[0].secret
    assert one.hash_key != other.hash_key


def test_processes_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from syndicate.io.keys import load_keyring\n"
        "while time.time() < float(sys.argv[2]): pass\n"
        "print(load_keyring(Path(sys.argv[1])).hash_key.hex())"
    )
    import time

    start = str(time.time() + 1.5)
    path = tmp_path / "secret.key"
    command = [sys.executable, "-c", program, str(path), start]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert said == {load_keyring(path).hash_key.hex()}
    assert list(tmp_path.iterdir()) == [path]


def test_rotation_keeps_older_keys_and_the_hash_key(tmp_path: Path, now: object) -> None:
    path = tmp_path / "secret.key"
    before = load_keyring(path)
    token = sign(before, Purpose.UNSUBSCRIBE, 7)
    rotate(path)
    after = rotate(path)
    assert after == load_keyring(path)
    assert [key.id for key in after.keys] == ["k3", "k2", "k1"]
    assert after.keys[-1] == before.keys[0]
    assert after.hash_key == before.hash_key
    assert verify(after, Purpose.UNSUBSCRIBE, token, now).subscription_id == 7  # type: ignore[arg-type]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_expected_keys_are_neither_made_nor_mistaken(tmp_path: Path) -> None:
    path, other = tmp_path / "secret.key", tmp_path / "other.key"
    expected = fingerprint(load_keyring(other))
    with pytest.raises(KeyFileError, match=r"secret\.key is missing.*BACKUP secret\.key.*restore"):
        load_keyring(path, expected=expected)
    assert not path.exists()
    load_keyring(path)
    with pytest.raises(KeyFileError, match="holds other keys"):
        load_keyring(path, expected=expected)
    rotate(other)
    assert fingerprint(load_keyring(other, expected=expected)) == expected


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text.replace("hash ", "# hash "),
        lambda text: text.replace("sign k1", "sign"),
        lambda text: text.replace("sign ", "seal "),
        lambda text: text[:-20],
        lambda text: text + "\nhash " + text.split()[-1],
        lambda text: "\n".join(line for line in text.splitlines() if line.startswith("hash")),
    ],
)
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "secret.key"
    load_keyring(path)
    text = path.read_text()
    damaged = spoil(text)  # type: ignore[operator]
    path.write_text(damaged)
    with pytest.raises(KeyFileError, match="damaged") as caught:
        load_keyring(path)
    assert path.read_text() == damaged
    assert not any(word in str(caught.value) for word in text.split() if len(word) > 30)


def test_bytes_are_no_key_file(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KeyFileError, match="no text file"):
        load_keyring(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyFileError, match=r"could not be made|cannot be read"):
        load_keyring(tmp_path / "file" / "secret.key")


def test_open_permissions_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    assert permission_problem(path) is None
    load_keyring(path)
    assert permission_problem(path) is None
    path.chmod(0o640)
    problem = permission_problem(path)
    assert problem is not None
    assert problem.severity == "warning"
    assert "chmod 600" in problem.message
