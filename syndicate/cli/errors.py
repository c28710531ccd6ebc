"""The one table that maps errors to exit statuses, and how an error is told on stderr.

2 means that the caller has to change something (arguments, configuration), 1 that the work failed.
"""

from __future__ import annotations

import os
import sys
import traceback

from syndicate.cli.output import safe
from syndicate.errors import (
    AddressError,
    ConfigError,
    SyndicateError,
    TemplateError,
    UnknownNameError,
    UsageError,
)

FAILED = 1
MISUSED = 2
INTERRUPTED = 130  # 128 + SIGINT, as shells count

STATUS: dict[type[SyndicateError], int] = {
    ConfigError: MISUSED,
    TemplateError: MISUSED,
    UsageError: MISUSED,
    UnknownNameError: MISUSED,
    AddressError: MISUSED,
    SyndicateError: FAILED,
}


def exit_status(error: BaseException) -> int:
    """The status that a command ends with when this error stops it."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED


def report(error: BaseException) -> int:
    """Tell an error on stderr without a traceback, and return the exit status."""
    if isinstance(error, SyndicateError):
        _say(str(error))
    elif not isinstance(error, (KeyboardInterrupt, BrokenPipeError)):
        if os.environ.get("SYNDICATE_DEBUG") == "1":
            _say("".join(traceback.format_exception(error)).rstrip())
        _say(unexpected(error))
    return exit_status(error)


def unexpected(error: BaseException) -> str:
    """One line for a fault of the program itself: what, and where, and what to do with it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    said = " ".join(str(error).split())
    return (
        f"unexpected {type(error).__name__}{place}{f': {said}' if said else ''}; "
        "please report this line (SYNDICATE_DEBUG=1 shows the whole way to it)"
    )


def _say(text: str) -> None:
    print(f"syndicate: {safe(text)}", file=sys.stderr, flush=True)  # noqa: T201 - the place where errors are told
