"""One document as it is served: the bytes of each encoding and the ready messages around them, never changed once made.

A publication makes a new object and puts it in the place of the old one, so no answer can mix two versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

from syndicate.web.feed_server.conditions import ANY, Headers, entity_tags
from syndicate.web.feed_server.messages import OPEN, Fields, Head, head
from syndicate.web.feed_server.negotiation import ENCODINGS, acceptable

YEAR: Final = 31_536_000  # seconds


@dataclass(frozen=True, slots=True)
class About:
    """What the headers of a document need beside its bytes. ``links`` is the value of Link, empty for none."""

    media_type: str
    max_age: int
    immutable: bool = False
    links: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """One earlier content: its hash, and the fingerprints of its entries (RFC 3229)."""

    digest: str
    entries: frozenset[int]


@dataclass(frozen=True, slots=True)
class Variant:
    """One encoding: its entity tag (opaque part), size, and the heads of 200 and 304. ``body`` is None in its file."""

    encoding: str
    tag: bytes
    size: int
    whole: Head
    unchanged: Head
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Held:
    """All of one document. ``stamp`` tells its files from later ones, ``modified`` is in seconds since 1970."""

    digest: str
    stamp: tuple[Any, ...]
    modified: int
    about: About
    variants: Mapping[str, Variant]
    by_tag: Mapping[bytes, Variant]  # by opaque tag
    by_value: Mapping[bytes, Variant]  # by the whole value of If-None-Match, as almost everybody sends it
    history: tuple[Version, ...] = ()
    clamped: bool = False  # Last-Modified had to be set back to the clock

    @property
    def weight(self) -> int:
        """Bytes of memory, roughly."""
        bodies = sum(variant.size for variant in self.variants.values() if variant.body is not None)
        return bodies + 64 * sum(len(version.entries) for version in self.history) + 8192

    @property
    def content(self) -> bytes | None:
        """The bytes as they are without an encoding, None for a document that stays in its file."""
        return self.variants["identity"].body

    def variant(self, accept_encoding: bytes | None) -> Variant:
        """The encoding that suits a client best."""
        for encoding in acceptable(accept_encoding):
            if encoding in self.variants:
                return self.variants[encoding]
        return self.variants["identity"]

    def matched(self, headers: Headers) -> Variant:
        """Which encoding a client's copy is in: its tag is repeated in a 304, so that its cache knows what to renew.

        Without a tag of ours in the request it is the one that would have been sent.
        """
        tags = entity_tags(headers.get(b"if-none-match", b""))
        if tags != ANY:
            for tag in tags:
                if isinstance(tag, tuple) and tag.opaque in self.by_tag:
                    return self.by_tag[tag.opaque]
        return self.variant(headers.get(b"accept-encoding"))


def hold(
    bodies: Mapping[str, bytes | int],
    *,
    digest: str,
    stamp: tuple[Any, ...],
    modified: int,
    now: int,
    about: About,
    history: Sequence[Version] = (),
) -> Held:
    """Make ready what is sent. ``bodies`` has bytes, or their number where they stay in a file, by encoding.

    ``digest`` is a hash of the content without encoding (hexadecimal). Last-Modified is never after ``now``
    (RFC 9110 8.8.2.1); dates of requests are compared with ``modified``.
    """
    last_modified = formatdate(min(modified, now), usegmt=True).encode()
    variants = {
        encoding: _variant(encoding, bodies[encoding], digest, last_modified, about)
        for encoding in ENCODINGS
        if encoding in bodies
    }
    by_tag = {variant.tag: variant for variant in variants.values()}
    # A proxy that compresses by itself makes our tags weak (nginx).
    by_value = {form % tag: variant for tag, variant in by_tag.items() for form in (b'"%s"', b'W/"%s"')}
    return Held(
        digest=digest,
        stamp=stamp,
        modified=modified,
        about=about,
        variants=variants,
        by_tag=by_tag,
        by_value=by_value,
        history=tuple(history),
        clamped=modified > now,
    )


def _variant(encoding: str, body: bytes | int, digest: str, last_modified: bytes, about: About) -> Variant:
    size = body if isinstance(body, int) else len(body)
    tag = (digest if encoding == "identity" else f"{digest}-{encoding}").encode()
    shared = shared_fields(about, tag)
    full: Fields = [
        (b"content-type", about.media_type.encode()),
        (b"content-length", str(size).encode()),
        (b"last-modified", last_modified),
        *shared,
        (b"x-content-type-options", b"nosniff"),
        (b"accept-ranges", b"none"),
    ]
    if encoding != "identity":
        full.append((b"content-encoding", encoding.encode()))
    return Variant(
        encoding=encoding,
        tag=tag,
        size=size,
        whole=head(200, full),
        unchanged=head(304, shared),
        body=None if isinstance(body, int) else body,
    )


def shared_fields(about: About, tag: bytes) -> Fields:
    """What 200 and 304 both carry (RFC 9110 15.4.5), and no more."""
    control = f"public, max-age={about.max_age}" + (", immutable" if about.immutable else "")
    fields: Fields = [
        (b"etag", b'"%s"' % tag),
        (b"cache-control", control.encode()),
        (b"vary", b"Accept-Encoding, Sec-Fetch-Dest"),
        *OPEN,
    ]
    if about.links:
        fields.append((b"link", about.links.encode()))
    return fields
