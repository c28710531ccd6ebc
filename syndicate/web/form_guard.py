"""What keeps machines from the sign-up form: the stamp of when it was made, a field nobody sees, a proof of work.

Nothing of it is kept: the stamp is signed, the proof is checked by its signature (ALTCHA, version 1).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from altcha.v1 import ChallengeOptions, create_challenge, verify_solution

from syndicate.core.links import Purpose, sign, verify
from syndicate.errors import TokenError
from syndicate.model import Keyring

#: How long a form may stay open in a tab; it is shown once more after that, as it was filled in.
STAMP_VALID: Final = timedelta(days=1)
PROOF_VALID: Final = timedelta(minutes=20)
#: A phone computes some 100,000 hashes in a second or two; half of them are needed on average.
_HARDEST: Final = 100_000
_PROOF_SIZE: Final = 2_000


class FormGuard:
    """Makes and reads stamps and challenges of one service."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def stamp(self, now: datetime) -> str:
        """What a form carries from when it is shown."""
        return sign(self._keyring, Purpose.FORM, int(now.timestamp()), expires_at=now + STAMP_VALID)

    def age(self, stamp: str, now: datetime) -> timedelta | None:
        """How long ago a form was shown; None for a stamp that is missing, not ours or too old."""
        try:
            payload = verify(self._keyring, Purpose.FORM, stamp, now)
        except TokenError:
            return None
        return now - datetime.fromtimestamp(payload.subscription_id, UTC)

    def challenge(self, now: datetime) -> dict[str, Any]:
        """What a browser is to solve."""
        options = ChallengeOptions(
            max_number=_HARDEST, hmac_key=self._secret(0), expires=now + PROOF_VALID, algorithm="SHA-256"
        )
        made = create_challenge(options).to_dict()
        return {"maxnumber": made.get("maxNumber", made.get("maxnumber", _HARDEST)), **_plain(made)}

    def proof(self, solution: str, now: datetime) -> tuple[str, datetime] | None:
        """A key under which a solved challenge may be used once, and until when; None when it solves nothing."""
        if not 0 < len(solution) <= _PROOF_SIZE:
            return None
        try:
            read = json.loads(base64.b64decode(solution, validate=True))
        except (ValueError, binascii.Error):
            return None
        if not isinstance(read, dict) or not _is_plain(read):
            return None
        for place in range(len(self._keyring.keys)):
            try:
                solved, _ = verify_solution(solution, self._secret(place), check_expires=False)
            except Exception:  # noqa: BLE001 - a library's parsing of what a stranger sent
                return None
            if solved and _until(read["salt"]) > now.timestamp():
                name = hashlib.sha256(read["challenge"].encode()).hexdigest()[:32]
                return f"proof:{name}", now + PROOF_VALID
        return None

    def _secret(self, place: int) -> str:
        return hmac.digest(self._keyring.keys[place].secret, b"syndicate proof of work", "sha256").hex()


def _until(salt: str) -> float:
    # Read here and not by the library: it asks the machine's clock.
    try:
        return float(parse_qs(salt.partition("?")[2])["expires"][0])
    except (KeyError, ValueError):
        return 0.0


def _plain(made: dict[str, Any]) -> dict[str, Any]:
    return {name: made[name] for name in ("algorithm", "challenge", "salt", "signature")}


def _is_plain(read: dict[str, Any]) -> bool:
    texts = all(isinstance(read.get(name), str) for name in ("algorithm", "challenge", "salt", "signature"))
    return texts and read["algorithm"] == "SHA-256" and isinstance(read.get("number"), int)
