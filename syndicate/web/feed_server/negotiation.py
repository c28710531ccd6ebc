"""Accept-Encoding (RFC 9110 12.5.3): which of our encodings a client takes, the best first."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# Smallest first: it decides among encodings that a client likes equally well.
ENCODINGS: Final = ("br", "gzip", "identity")
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_LONGEST = 1000  # characters; what is longer is no list of encodings


@lru_cache(maxsize=512)
def acceptable(value: bytes | None) -> tuple[str, ...]:
    """The encodings a header allows, best first; ``identity`` always stands somewhere, for what has no other form.

    A client that forbids even that gets it all the same: a readable answer serves it better than 406, and the standard
    allows it. Members that are no coding with a weight are passed over.
    """
    if value is None or len(value) > _LONGEST:
        return ("identity",)
    weights = _weights(value.decode("latin-1"))
    others = weights.get("*")
    # Not named, identity is allowed but wanted least (RFC 9110 12.5.3 rule 2).
    found = {coding: weights.get(coding, others if coding != "identity" else None) for coding in ENCODINGS}
    wanted = [coding for coding in ENCODINGS if (found[coding] or 0) > 0]
    ranked = sorted(wanted, key=lambda coding: -(found[coding] or 0))
    return tuple(ranked) if "identity" in ranked else (*ranked, "identity")


def _weights(text: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for member in text.split(","):
        coding, _, parameter = member.partition(";")
        coding = coding.strip().lower().removeprefix("x-")
        name, _, weight = parameter.partition("=")
        if not parameter.strip():
            weight = "1"
        elif name.strip().lower() != "q":
            continue
        if coding and _WEIGHT.fullmatch(weight.strip()):
            weights.setdefault(coding, float(weight.strip()))
    return weights
