"""A small configuration to break, and what tests call to have one inspected."""

from __future__ import annotations

from collections.abc import Callable

from syndicate.config.settings import Settings
from syndicate.errors import Problem

Inspect = Callable[..., tuple[Settings | None, list[Problem]]]

GOOD = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
postal_address = "1 Quay Street"
[source.stories]
type = "folder"
path = "articles"
[feed.all]
[digest.morning]
[delivery]
from = "News <news@courier.example>"
"""
