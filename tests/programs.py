"""Programs of the system that judge in tests: found, or the test is skipped with what to install."""

from __future__ import annotations

import os
import shutil

import pytest

PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin"


def program(name: str, package: str) -> str:
    """Its path. With CI=true a missing one is a failure, as everything that is missing there."""
    found = shutil.which(name, path=PLACES)
    if found is not None:
        return found
    missing = f"{name} is missing: install Debian's package {package} (`make programs`)"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)
