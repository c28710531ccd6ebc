"""The contrast of every text with what it stands on (WCAG 2.2, 1.4.3), as the page is and as dark mode changes it.

It reads style attributes, ``bgcolor``, and simple rules (tags, classes, one in another) of the dark media query.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from lxml.html import HtmlElement

from syndicate.core.preflight.finding import Finding, warning

LEAST, LEAST_LARGE = 4.5, 3.0
_LARGE, _LARGE_BOLD = 24.0, 18.66  # CSS pixels: 18 and 14 points
_DARK = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark[^{]*\{")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b")
_RGB = re.compile(r"rgb\((\d+),\s*(\d+),\s*(\d+)\)")
_PX = re.compile(r"([\d.]+)px")
_NAMES = {"white": "#ffffff", "black": "#000000", "gray": "#808080", "grey": "#808080", "red": "#ff0000"}
_BOLD = frozenset({"b", "strong", "h1", "h2", "h3"})
_NO_TEXT = frozenset({"head", "style", "script", "title"})


class _Rule(NamedTuple):
    parts: tuple[str, ...]  # the simple selectors, ancestors first
    weight: tuple[int, int]  # how specific, and in which place
    style: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Look:
    """What an element's text looks like: None where it cannot be known."""

    colour: str | None = "#000000"
    ground: str | None = "#ffffff"
    size: float = 16.0
    bold: bool = False
    names: frozenset[str] = field(default=frozenset())  # tags and .classes of the element and those around it


def check_contrast(root: HtmlElement, where: str) -> Iterator[Finding]:
    """Each pair of colours that is too near, once for each mode."""
    sheet = "\n".join(style.text or "" for style in root.iter("style"))
    dark = _dark_rules(sheet)
    for mode, rules in (("light", {}), ("dark", dark)):
        if mode == "dark" and not dark:
            return
        found: dict[tuple[str, str], tuple[float, str]] = {}
        _walk(root, _Look(), rules, {}, found)
        for (colour, ground), (ratio, said) in sorted(found.items()):
            text = f"“{said}”: {colour} on {ground} has a contrast of {ratio:.1f} ({mode})"
            yield warning("contrast", text, where)


def ratio_of(one: str, other: str) -> float:
    """The contrast of two colours ``#rrggbb``, 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004 - of sRGB
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _walk(
    root: HtmlElement,
    look: _Look,
    rules: dict[str, list[_Rule]],
    styles: dict[str, dict[str, str]],
    found: dict[tuple[str, str], tuple[float, str]],
) -> None:
    waiting = [(root, look)]
    while waiting:
        element, above = waiting.pop()
        if element.tag in _NO_TEXT:
            continue
        style = _style_of(element, above, rules, styles)
        if style.get("display") == "none":
            continue
        here = _seen(element, above, style)
        _judge(element.text, here, found)
        for child in element:
            if isinstance(child.tag, str):
                waiting.append((child, here))
            _judge(child.tail, here, found)


def _style_of(
    element: HtmlElement, above: _Look, rules: dict[str, list[_Rule]], styles: dict[str, dict[str, str]]
) -> dict[str, str]:
    text = element.get("style") or ""
    if text not in styles:
        styles[text] = _declarations(text)
    style = styles[text]
    if "bgcolor" in element.attrib and "background-color" not in style:
        style = {**style, "background-color": str(element.get("bgcolor"))}
    names = _names(element)
    matching = [
        rule
        for name in names
        for rule in rules.get(name, ())
        if all(part in above.names or part in names for part in rule.parts[:-1])
    ]
    for rule in sorted(matching, key=lambda rule: rule.weight):
        style = {**style, **rule.style}
    return style


def _seen(element: HtmlElement, above: _Look, style: dict[str, str]) -> _Look:
    colour, ground = style.get("color"), style.get("background-color")
    if not style and not element.get("class") and element.tag not in _BOLD:
        return above
    size = _PX.search(style.get("font-size", ""))
    weight = style.get("font-weight", "bold" if element.tag in _BOLD else "")
    return replace(
        above,
        colour=above.colour if colour in {None, "inherit"} else _colour(colour or ""),
        ground=above.ground if ground in {None, "inherit", "transparent"} else _colour(ground or ""),
        size=float(size[1]) if size else above.size,
        bold=weight in {"bold", "700", "800", "900"} if weight else above.bold,
        names=above.names.union(_names(element)),
    )


def _judge(text: str | None, look: _Look, found: dict[tuple[str, str], tuple[float, str]]) -> None:
    if not text or look.colour is None or look.ground is None or (look.colour, look.ground) in found:
        return
    said = " ".join(text.split())
    if not any(letter.isalnum() for letter in said):
        return
    large = look.size >= _LARGE or (look.bold and look.size >= _LARGE_BOLD)
    ratio = ratio_of(look.colour, look.ground)
    if ratio < (LEAST_LARGE if large else LEAST):
        found[look.colour, look.ground] = (ratio, said[:40])


def _names(element: HtmlElement) -> list[str]:
    return [str(element.tag), *(f".{name}" for name in (element.get("class") or "").split())]


def _declarations(text: str) -> dict[str, str]:
    style: dict[str, str] = {}
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), value.replace("!important", "").strip().lower()
        if name == "background" and (found := _HEX.search(value)):
            name, value = "background-color", found[0]
        if name in {"color", "background-color", "font-size", "font-weight", "display"} and value:
            style[name] = value
    return style


def _colour(value: str) -> str | None:
    value = _NAMES.get(value, value)
    if match := _HEX.fullmatch(value):
        digits = match[1]
        return f"#{digits}" if len(digits) == 6 else "#" + "".join(digit * 2 for digit in digits)  # noqa: PLR2004
    if match := _RGB.fullmatch(value):
        return "#" + "".join(f"{min(int(part), 255):02x}" for part in match.groups())
    return None


def _dark_rules(sheet: str) -> dict[str, list[_Rule]]:
    """The rules of the dark media query, by the last simple selector of each."""
    rules: dict[str, list[_Rule]] = {}
    sheet = _COMMENT.sub("", sheet)
    for opening in _DARK.finditer(sheet):
        for place, (selectors, body) in enumerate(_RULE.findall(_block(sheet, opening.end()))):
            style = _declarations(body)
            for selector in selectors.split(","):
                parts = tuple(selector.split())
                if parts and style and all(re.fullmatch(r"[.\w-]+", part) for part in parts):
                    weight = (sum(part.startswith(".") for part in parts), place)
                    rules.setdefault(parts[-1], []).append(_Rule(parts, weight, style))
    return rules


def _block(sheet: str, start: int) -> str:
    depth = 1
    for place in range(start, len(sheet)):
        depth += {"{": 1, "}": -1}.get(sheet[place], 0)
        if depth == 0:
            return sheet[start:place]
    return sheet[start:]
