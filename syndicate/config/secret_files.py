"""The ``…_file`` twins: a secret may stand in a file of its own, such as a Docker or systemd secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syndicate.config.keys import Model, keys_of
from syndicate.config.wording import Fault, KeyPath

LARGEST_SECRET = 65_536  # bytes; a path given by mistake (a disk, a log) is not read whole


def read_twins(table: dict[str, Any], model: Model, path: KeyPath, base: Path) -> list[Fault]:
    """Put the stripped content of each ``KEY_file`` into ``KEY`` of ``table`` (changed in place).

    ``base`` is what relative paths start from. The faults name the ``_file`` key: both given, unreadable, empty.
    """
    faults = []
    known = keys_of(model)
    for name in [key for key in known if key.endswith("_file") and key.removesuffix("_file") in known]:
        target = name.removesuffix("_file")
        if not isinstance(table.get(name), str):
            continue  # not given; or of a wrong type, which the model reports
        if target in table:
            faults.append(Fault((*path, name), f"expected either {target} or {name}, not both"))
            continue
        try:
            table[target] = _content(base / table[name].strip())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            faults.append(Fault((*path, name), f"cannot read {base / table[name].strip()}: {reason}"))
    return faults


def _content(file: Path) -> str:
    with file.open("rb") as stream:
        data = stream.read(LARGEST_SECRET + 1)
    if len(data) > LARGEST_SECRET:
        raise ValueError(f"it is larger than {LARGEST_SECRET} bytes, which no secret is")
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    if not text:
        raise ValueError("it is empty")
    return text
