"""The files of DKIM's private keys: read by selector, looked at for their permissions, made new and never replaced.

What a key is and what its DNS record says: ``core/dkim/keys.py``.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from syndicate.core.dkim.keys import GOOD_BITS, DkimKey, read_key
from syndicate.errors import KeyFileError, Problem

LARGEST_FILE = 65_536  # bytes; a path given by mistake is not read whole
_EXPONENT = 65537  # RFC 6376 3.3.1


def load_keys(files: Mapping[str, Path], base: Path) -> list[DkimKey]:
    """The keys of ``[dkim] keys`` in their order; relative paths start from ``base``.

    Raises KeyFileError for the first one that is missing, no key that DKIM knows, too short, or readable by everybody.
    """
    return [load_key(selector, base / path) for selector, path in files.items()]


def load_key(selector: str, path: Path) -> DkimKey:
    """One key. Raises KeyFileError as ``load_keys``."""
    where = f"the key of dkim.keys.{selector}, {path},"
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise KeyFileError(f"{where} is missing; `syndicate dkim new {selector}` makes it") from None
    except OSError as error:
        raise KeyFileError(f"{where} cannot be read: {error.strerror or error}") from error
    if mode & 0o007:
        raise KeyFileError(f"{where} is open to everybody on this machine (mode {mode:04o}); run: chmod o= {path}")
    if len(pem) > LARGEST_FILE:
        raise KeyFileError(f"{where} is larger than {LARGEST_FILE} bytes, which no key is")
    return read_key(selector, pem, where)


def key_problems(files: Mapping[str, Path], base: Path, where: str) -> list[Problem]:
    """Everything that is wrong with the files, or weak, for ``check``; ``where`` names the configuration."""
    found = []
    for selector, path in files.items():
        name = f"dkim.keys.{selector}"
        try:
            key = load_key(selector, base / path)
        except KeyFileError as error:
            found.append(Problem(where, name, str(error)))
            continue
        if key.kind == "rsa" and key.bits < GOOD_BITS:
            weak = f"{base / path} has {key.bits} bits; some receivers take no less than {GOOD_BITS} (RFC 8301)"
            found.append(Problem(where, name, weak, "warning"))
    return found


def make_key(selector: str, path: Path, kind: Literal["rsa", "ed25519"]) -> DkimKey:
    """Write a new private key for its owner alone (mode 0600), RSA with 2048 bits.

    Raises KeyFileError when the file is there already, or cannot be written.
    """
    private = generate_private_key(_EXPONENT, GOOD_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} is there already and was left as it is; a new key has a new selector") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror or error}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return DkimKey(selector=selector, private=private)
