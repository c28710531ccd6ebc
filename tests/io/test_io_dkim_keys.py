"""Key files: only their owner reads them, none is ever replaced, and what is wrong is said in words."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from signatures import rsa_key

from syndicate.core.dkim.keys import LEAST_BITS
from syndicate.errors import KeyFileError
from syndicate.io.dkim_keys import key_problems, load_keys, make_key

# Made for this test; too short to sign with.
SHORT = (Path(__file__).parents[1] / "data" / "dkim" / "rsa512.pem").read_bytes()


def write(path: Path, bits: int, mode: int = 0o600) -> Path:
    private = rsa_key("any", bits).private
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)
    return path


def test_what_is_made_is_read_again(tmp_path: Path) -> None:
    made = [
        make_key("s1", tmp_path / "keys" / "s1.pem", "rsa"),
        make_key("e1", tmp_path / "keys" / "e1.pem", "ed25519"),
    ]
    found = load_keys({"s1": Path("keys/s1.pem"), "e1": tmp_path / "keys" / "e1.pem"}, tmp_path)
    assert [(key.selector, key.kind, key.bits) for key in found] == [("s1", "rsa", 2048), ("e1", "ed25519", 256)]
    assert [key.record for key in found] == [key.record for key in made]
    assert stat.S_IMODE((tmp_path / "keys" / "s1.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_no_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s1.pem"
    path.write_text("precious")
    with pytest.raises(KeyFileError, match="there already and was left as it is"):
        make_key("s1", path, "rsa")
    assert path.read_text() == "precious"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(KeyFileError, match=r"keys/s1\.pem"):
        make_key("s1", tmp_path / "keys" / "s1.pem", "rsa")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, r"dkim\.keys\.s1, .*s1\.pem, is missing; `syndicate dkim new s1` makes it"),
        (lambda path: path.mkdir(), r"cannot be read: Is a directory"),
        (lambda path: write(path, 2048, 0o644), r"open to everybody on this machine \(mode 0644\); run: chmod o= "),
        (lambda path: write(path, 2048, 0o602), r"open to everybody"),
        (lambda path: path.write_bytes(SHORT) and path.chmod(0o600), f"512 bits; receivers take {LEAST_BITS} to 4096"),
        (lambda path: path.write_bytes(bytes(70_000)) and path.chmod(0o600), "larger than 65536 bytes"),
    ],
    ids=["missing", "folder", "readable", "writable", "short", "large"],
)
def test_what_is_wrong_is_said(tmp_path: Path, make: object, says: str) -> None:
    make(tmp_path / "s1.pem")  # type: ignore[operator]
    with pytest.raises(KeyFileError, match=says):
        load_keys({"s1": Path("s1.pem")}, tmp_path)


def test_its_group_may_read_it(tmp_path: Path) -> None:
    write(tmp_path / "s1.pem", 2048, 0o640)
    assert load_keys({"s1": Path("s1.pem")}, tmp_path)[0].bits == 2048


def test_everything_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path / "weak.pem", 1024)
    write(tmp_path / "open.pem", 2048, 0o604)
    write(tmp_path / "good.pem", 2048)
    files = {name: Path(f"{name}.pem") for name in ("weak", "open", "good", "none")}
    found = key_problems(files, tmp_path, "config.toml")
    assert [(problem.key, problem.severity) for problem in found] == [
        ("dkim.keys.weak", "warning"),
        ("dkim.keys.open", "error"),
        ("dkim.keys.none", "error"),
    ]
    assert "1024 bits; some receivers take no less than 2048" in found[0].message
