"""Jinja2's sandbox with an end: so many steps, so much text. What one step can do is for the process to bound.

A loop, a macro that calls itself twice, or a text that doubles itself stops with the line it stands on; memory and the
time of a single filter are bounded where templates of strangers are tried (``io/template_trial.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import Environment, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

STEPS = 500_000  # turns of loops and calls in one rendering; twelve articles take 500
TEXT = 5_000_000  # characters of a rendering, and of any text put together on the way
_COUNTED, _MEASURED = "_counted", "_measured"


class BoundExceededError(Exception):
    """A template takes too many steps or makes too much text; becomes a TemplateError with name and line."""


class BoundedEnvironment(SandboxedEnvironment):
    """The sandbox, counting. One environment renders in one thread at a time; ``begin`` starts a new count."""

    intercepted_binops = frozenset({"*", "**", "+"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._steps = 0
        self.filters[_COUNTED] = self._count_all
        self.filters[_MEASURED] = measured

    def begin(self) -> None:
        """Start counting anew."""
        self._steps = 0

    def compile(self, source: str | nodes.Template, *place: Any, **more: Any) -> Any:
        """Compile with every loop counted and every joined text measured."""
        if isinstance(source, str):
            source = _watched(self.parse(source, *place[:2]))
        return super().compile(source, *place, **more)

    def call(self, context: Context, called: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what the sandbox allows to be called; macros come this way, too."""
        self._step()
        return super().call(context, called, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse products and powers that would fill the memory."""
        if operator == "*" and _times(left, right) > TEXT:
            raise BoundExceededError(f"makes a text of more than {TEXT:,} characters")
        if operator == "**" and isinstance(right, int) and abs(right) > 1000:  # noqa: PLR2004 - more is no page's need
            raise BoundExceededError("takes a number to a power above 1,000")
        return measured(super().call_binop(context, operator, left, right))

    def _step(self) -> None:
        self._steps += 1
        if self._steps > STEPS:
            raise BoundExceededError(f"takes more than {STEPS:,} steps: is there a loop without end?")

    def _count_all(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self._step()
            yield item


def bounded_text(chunks: Iterable[str]) -> str:
    """Join what a template gives piece by piece. Raises BoundExceededError."""
    kept, size = [], 0
    for chunk in chunks:
        size += len(chunk)
        if size > TEXT:
            raise BoundExceededError(f"makes more than {TEXT:,} characters")
        kept.append(chunk)
    return "".join(kept)


def measured(value: Any) -> Any:
    """The value, unless it is a text or list beyond all measure. Raises BoundExceededError."""
    if isinstance(value, (str, list, tuple)) and len(value) > TEXT:
        raise BoundExceededError(f"makes a text of more than {TEXT:,} characters")
    return value


def _times(left: Any, right: Any) -> int:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, (str, list, tuple)) and isinstance(other, int):
            return len(one) * other
    return 0


def _watched(tree: nodes.Template) -> nodes.Template:
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(loop.iter, _COUNTED)
    # A text doubles itself only through a variable.
    for assignment in tree.find_all(nodes.Assign):
        assignment.node = _filtered(assignment.node, _MEASURED)
    return tree


def _filtered(node: Any, name: str) -> nodes.Filter:
    wrapped = nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)
    environment: Environment | None = node.environment
    return wrapped.set_environment(environment) if environment else wrapped  # type: ignore[return-value]
