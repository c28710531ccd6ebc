"""Tries templates in a process of their own, with an end to its time and memory: for those that strangers may edit.

The child knows no file and no network beyond the program itself; what it says is read as data.
"""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import NoReturn

from syndicate.config.settings import Settings
from syndicate.errors import Problem

SECONDS = 10.0  # for all templates together; the shipped ones take half a second
MEMORY = 512_000_000  # bytes beyond what the program itself takes
_GRACE = 10.0  # seconds in which the child starts, and tells what it was stopped at
_FAILED = 70


def try_templates(
    templates: Mapping[str, str], settings: Settings, *, seconds: float = SECONDS, memory: int = MEMORY
) -> list[Problem]:
    """What ``template_problems`` finds, and a problem for what takes too long or too much memory."""
    folder = settings.service.templates_dir.as_posix()
    job = pickle.dumps((dict(templates), settings, seconds, memory))
    program = [sys.executable, "-m", "syndicate.io.template_trial"]
    try:
        done = subprocess.run(program, input=job, capture_output=True, timeout=seconds + _GRACE, check=False)  # noqa: S603 - ourselves
    except subprocess.TimeoutExpired:
        return [Problem(folder, "", f"the templates took longer than {seconds:.0f} s and were stopped")]
    if done.returncode != 0:
        return [Problem(folder, "", f"the templates could not be tried: {_last_line(done.stderr)}")]
    return [Problem(**problem) for problem in json.loads(done.stdout)]


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "the process was killed; did it take too much memory?"


class _TooLongError(Exception):
    """Stops the template that is running when the time is over."""


def _main() -> int:
    from syndicate.core.message.trial import template_problems
    from syndicate.core.render.inline import inline_styles

    inline_styles("<p>x</p>", "x")  # what is imported late comes in before the memory is bounded
    templates, settings, seconds, memory = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - from our parent
    _confine(seconds, memory)
    problems = template_problems(templates, settings)
    signal.setitimer(signal.ITIMER_REAL, 0)
    sys.stdout.write(json.dumps([asdict(problem) for problem in problems]))
    return 0


def _confine(seconds: float, memory: int) -> None:
    try:
        import resource
    except ImportError:  # no such thing on Windows: the parent's time-out is what is left
        return

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _TooLongError(f"takes longer than {seconds:g} s: is there a loop without end?")

    signal.signal(signal.SIGALRM, stop)
    # Again each second: who catches the first may be another template.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_CPU: int(seconds) + 5}
    statm = Path("/proc/self/statm")
    if statm.exists():  # elsewhere nobody says what is taken, and the limit would mean nothing
        taken = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = taken + memory
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))


if __name__ == "__main__":
    try:
        sys.exit(_main())
    except Exception as error:  # noqa: BLE001 - the parent tells it
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(_FAILED)
