"""Pictures: an alt text on each, a width, an address that mail programs load; none inside the mail, none that spies."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

from syndicate.core.preflight.finding import Finding, repaired, warning

_SHOWN = 60


def repair_images(root: HtmlElement, base: str, where: str) -> Iterator[Finding]:
    """Mend what can be mended of all pictures; ``base`` is what relative addresses start from, or empty."""
    for image in list(root.iter("img")):
        source = (image.get("src") or "").strip()
        if source.lower().startswith("data:"):
            _replace_by_text(image)
            yield repaired(
                "image-data", f"a picture of {len(source):,} bytes stood in the mail; it was taken out", where
            )
            continue
        scheme = urlsplit_scheme(source)
        if source and not scheme and base:
            image.set("src", urljoin(base, source))
            yield repaired("link-relative", f"{_short(source)} starts from {base} now", where)
        elif scheme not in {"http", "https"}:
            _replace_by_text(image)
            yield repaired("image-address", f"a picture has no address on the web ({_short(source)}); taken out", where)
            continue
        yield from _mend(image, where)


def _mend(image: HtmlElement, where: str) -> Iterator[Finding]:
    source = image.get("src") or ""
    if image.get("alt") is None:
        link = next((parent for parent in image.iterancestors("a")), None)
        needed = link is not None and not link.text_content().strip()
        text = ((link.get("title") or _host(link.get("href"))) if link is not None and needed else "") or ""
        image.set("alt", text)
        said = f'alt="{text}"' if text else 'alt="": decoration'
        yield repaired("image-alt", f"{_short(source)} had no alt text; it has {said}", where)
    style = image.get("style") or ""
    if {image.get("width"), image.get("height")} <= {"0", "1"}:
        yield warning("tracking-pixel", f"{_short(source)} is one pixel large", where)
    elif image.get("width") is None and "max-width" not in style:
        image.set("style", f"{style.rstrip('; ')}; max-width:100%; height:auto".lstrip("; "))
        yield repaired("image-size", f"{_short(source)} has no width; it is kept within the column", where)
    if urlsplit(source).path.lower().endswith((".svg", ".svgz")):
        yield warning("image-format", f"{_short(source)} is SVG", where)


def urlsplit_scheme(address: str) -> str:
    """The scheme of an address in lower case, or nothing, also for what is no address."""
    try:
        return urlsplit(address).scheme.lower()
    except ValueError:
        return "?"


def _replace_by_text(image: HtmlElement) -> None:
    image.tail = (image.get("alt") or "") + (image.tail or "")
    image.drop_tree()


def _host(address: str | None) -> str:
    try:
        return urlsplit(address or "").hostname or ""
    except ValueError:
        return ""


def _short(address: str) -> str:
    return address if len(address) <= _SHOWN else f"{address[:_SHOWN]}…"
