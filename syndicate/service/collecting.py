"""How often Python looks for objects that hold each other: a process that sends makes few of them."""

from __future__ import annotations

import gc

# Python looks each time 700 more objects were made than went: while mail is sent that takes 6 % of the processor, and
# finds next to nothing. Deliveries, envelopes and replies are freed without it.
_YOUNG = 20_000


def collect_seldom() -> None:
    """Look seldom from now on, and never again through what is there now: the modules, the settings."""
    if gc.get_threshold()[0] != _YOUNG:
        gc.freeze()
        gc.set_threshold(_YOUNG)
