"""``secret.key``: the keys that sign links and hash addresses, in a small text file that only its owner reads.

Made at the first start, never overwritten; ``rotate`` adds a key on top. The signing itself: ``core/links.py``.

The file: one key a line, ``sign ID SECRET`` (newest first, at least one) and exactly one ``hash SECRET``; secrets are
32 bytes in base64, ids short and unique; ``#`` begins a comment.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syndicate.errors import KeyFileError, Problem
from syndicate.model import Keyring, SigningKey

SECRET_SIZE = 32  # bytes: as many as SHA-256 gives (RFC 2104, 3)
_ID = re.compile(r"[a-z0-9]{1,8}")
_HEAD = """\
# Syndicate's keys. Whoever has them can sign links in this service's name: keep them private, and with the database.
# "sign ID SECRET": the first one signs, the others still verify older links (unsubscribe links never expire).
# "hash SECRET": suppressed addresses are kept under it. Never change it.
"""


def load_keyring(path: Path, *, expected: str | None = None) -> Keyring:
    """The keys of the file, made first if there is none and none is ``expected`` (a fingerprint).

    Raises KeyFileError for a damaged or unreadable file, and for one that is missing or holds other keys than expected;
    it is never written over or replaced: its links are in people's mail.
    """
    try:
        keyring = _read(path)
    except FileNotFoundError:
        if expected is not None:
            raise _not_ours(f"{path} is missing, and the database is used with it") from None
        _create(path)
        keyring = _read(path)
    if expected is not None and fingerprint(keyring) != expected:
        raise _not_ours(f"{path} holds other keys than those that the database is used with")
    return keyring


def fingerprint(keyring: Keyring) -> str:
    """What says whether two keyrings belong together, whatever keys were added since; it gives nothing away."""
    return hashlib.sha256(b"syndicate keys\0" + keyring.hash_key).hexdigest()[:32]


def permission_problem(path: Path) -> Problem | None:
    """A warning when others than its owner may read the file, else None."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None
    if not mode & 0o077:
        return None
    return Problem(
        where=str(path),
        key="",
        message=f"others on this machine may read the keys (mode {mode:04o}); run: chmod 600 {path}",
        severity="warning",
    )


def rotate(path: Path) -> Keyring:
    """Put a new signing key on top and return the keys; older ones keep verifying.

    Running processes see it when they start again. Raises KeyFileError as ``load_keyring``.
    """
    with _locked(path.parent):
        keyring = load_keyring(path)
        taken = {key.id for key in keyring.keys}
        number = next(number for number in range(len(taken) + 1, 10_000_000) if f"k{number}" not in taken)
        newest = SigningKey(id=f"k{number}", secret=secrets.token_bytes(SECRET_SIZE))
        rotated = Keyring(keys=(newest, *keyring.keys), hash_key=keyring.hash_key)
        temporary = _write_beside(path, rotated)
        temporary.replace(path)
        _sync(path.parent)
    return rotated


def _create(path: Path) -> None:
    first = SigningKey(id="k1", secret=secrets.token_bytes(SECRET_SIZE))
    keyring = Keyring(keys=(first,), hash_key=secrets.token_bytes(SECRET_SIZE))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(path, keyring)
        try:
            # A hard link appears whole or not at all and never replaces: of two processes that start at once, the
            # second finds the file there and takes the first one's keys.
            with suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink()
        _sync(path.parent)
    except OSError as error:
        raise KeyFileError(f"{path}: the keys could not be made ({error.strerror or error})") from error


def _write_beside(path: Path, keyring: Keyring) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_text(keyring))
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _text(keyring: Keyring) -> str:
    lines = [f"sign {key.id} {_encode(key.secret)}" for key in keyring.keys]
    return _HEAD + "\n".join([*lines, f"hash {_encode(keyring.hash_key)}"]) + "\n"


def _encode(secret: bytes) -> str:
    return base64.b64encode(secret).decode("ascii")


def _read(path: Path) -> Keyring:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text file"
        raise KeyFileError(f"{path}: the keys cannot be read ({reason})") from error
    signing: list[SigningKey] = []
    hash_key: bytes | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        match words:
            case []:
                continue
            case ["sign", name, secret] if _ID.fullmatch(name) and name not in {key.id for key in signing}:
                signing.append(SigningKey(id=name, secret=_decode(secret, path, number)))
            case ["hash", secret] if hash_key is None:
                hash_key = _decode(secret, path, number)
            case _:
                raise _damaged(path, f"line {number} is not understood")
    if not signing or hash_key is None:
        raise _damaged(path, 'it needs at least one "sign" line and one "hash" line')
    return Keyring(keys=tuple(signing), hash_key=hash_key)


def _decode(text: str, path: Path, number: int) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True)
    except binascii.Error:
        secret = b""
    if len(secret) != SECRET_SIZE:
        raise _damaged(path, f"line {number} does not hold {SECRET_SIZE} bytes in base64")
    return secret


def _not_ours(what: str) -> KeyFileError:
    return KeyFileError(
        f"{what}: with others every link in mail already sent would be dead, and every suppressed address unknown. "
        "Put the file back: every backup holds it (tar -xzf BACKUP secret.key), and so does every machine where "
        "Syndicate runs on this database; or `syndicate restore` a backup into an empty database"
    )


def _damaged(path: Path, what: str) -> KeyFileError:
    # The line itself is not shown: it may be most of a secret.
    return KeyFileError(
        f"{path} is damaged: {what}. It was left as it is; restore it from a backup "
        "(a new one would make every link in mail already sent invalid)"
    )
