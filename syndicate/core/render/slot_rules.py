"""What templates may do with slots, checked on Jinja's syntax tree before anything is rendered.

A slot may be printed, given a fallback text, or handed to a macro: an edition must not differ by reader.
"""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import nodes

from syndicate.core.render.slots import LATER_SLOTS, URL_SLOTS

_TAKEN = frozenset({"recipient", *URL_SLOTS, *LATER_SLOTS})
_FIELDS = ("name", "email")
_PRINT_ONLY = (
    "can only be printed, because an edition is rendered once for all its readers: no condition, comparison, loop, "
    'set or filter on it (for a reader without a name write {{ recipient.name | fallback("reader") }})'
)


def slot_misuse(tree: nodes.Template, *, allowed: bool = True) -> list[tuple[int, str]]:
    """Every forbidden use as (line, what), in order. ``allowed`` False: a template that may not use slots at all."""
    printed = set(_printed(tree)) if allowed else set()
    found: list[tuple[int, str]] = []
    for name in tree.find_all(nodes.Name):
        if name.name not in _TAKEN:
            continue
        if name.name in LATER_SLOTS:
            found.append((name.lineno, f"{name.name} comes with a later version and cannot be used yet"))
        elif name.ctx != "load":
            found.append((name.lineno, f"{name.name} is the name of a slot and cannot be given to something else"))
        elif not allowed:
            found.append((name.lineno, f"{name.name} cannot be used in this mail: nothing of a reader stands in it"))
        elif id(name) not in printed:
            found.append((name.lineno, f"{name.name} {_PRINT_ONLY}"))
    found += _unknown_fields(tree) if allowed else []
    return sorted(set(found))


def _unknown_fields(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    for node in tree.find_all(nodes.Getattr):
        if isinstance(node.node, nodes.Name) and node.node.name == "recipient" and node.attr not in _FIELDS:
            yield node.lineno, f"recipient has only {' and '.join(_FIELDS)}, not {node.attr}"


def _printed(tree: nodes.Template) -> Iterator[int]:
    """The ids of the Name nodes that stand where a slot may stand."""
    inside = {
        id(name)
        for block in tree.find_all((nodes.FilterBlock, nodes.AssignBlock))
        for name in block.find_all(nodes.Name)
    }
    for place in _places(tree):
        name = _slot_name(place)
        if name is not None and id(name) not in inside:
            yield id(name)


def _places(tree: nodes.Template) -> Iterator[nodes.Node]:
    for output in tree.find_all(nodes.Output):
        for printed in output.nodes:
            yield printed
            if isinstance(printed, nodes.Filter) and printed.name == "fallback" and printed.node is not None:
                yield printed.node
    for call in tree.find_all(nodes.Call):
        yield from call.args
        yield from (keyword.value for keyword in call.kwargs)


def _slot_name(node: nodes.Node) -> nodes.Name | None:
    """The Name inside ``unsubscribe_url``, ``recipient.name``; None for anything else."""
    if isinstance(node, nodes.Name) and node.name in URL_SLOTS:
        return node
    # Any field of recipient: one that there is not has its own message.
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name) and node.node.name == "recipient":
        return node.node
    return None
