"""One document as it is served: the bytes of each encoding and the ready messages around them, never changed once made.

A publication makes a new object and puts it in the place of the old one, so no answer can mix two versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

from syndicate.web.feed_server.conditions import ANY, Headers, Tag, content_of, entity_tags
from syndicate.web.feed_server.messages import OPEN, SAFE, Fields, Head, head
from syndicate.web.feed_server.negotiation import ENCODINGS, acceptable

YEAR: Final = 31_536_000  # seconds
_OF_BYTES: Final = 12  # digits that tell one compression of a content from another


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
class Encoded:
    """The bytes of one encoding, None where they stay in their file, their number, and their hash (hexadecimal)."""

    body: bytes | None
    size: int
    digest: str


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

    def unchanged(self, headers: Headers) -> Head:
        """The 304 for a client's copy: its own tag is repeated, so that its cache knows what to renew (RFC 9111 4.3.4).

        Without a tag of ours in the request it is that of what would have been sent.
        """
        tags = entity_tags(headers.get(b"if-none-match", b""))
        content = self.digest.encode()
        for tag in tags if tags != ANY else ():
            if isinstance(tag, Tag) and content_of(tag) == content:
                held = self.by_tag.get(tag.opaque)
                return held.unchanged if held else head(304, shared_fields(self.about, tag.opaque))
        return self.variant(headers.get(b"accept-encoding")).unchanged


def hold(
    bodies: Mapping[str, Encoded],
    *,
    stamp: tuple[Any, ...],
    modified: int,
    now: int,
    about: About,
    history: Sequence[Version] = (),
) -> Held:
    """Make ready what is sent, by encoding. The digest of ``identity`` is the document's.

    Last-Modified is never after ``now`` (RFC 9110 8.8.2.1); dates of requests are compared with ``modified``.
    """
    digest = bodies["identity"].digest
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


def _variant(encoding: str, encoded: Encoded, digest: str, last_modified: bytes, about: About) -> Variant:
    # A strong tag is one of bytes: the same content compressed at another level has another (RFC 9110 8.8.1).
    name = digest if encoding == "identity" else f"{digest}-{encoding}-{encoded.digest[:_OF_BYTES]}"
    tag = name.encode()
    shared = shared_fields(about, tag)
    full: Fields = [
        (b"content-type", about.media_type.encode()),
        (b"content-length", str(encoded.size).encode()),
        (b"last-modified", last_modified),
        *shared,
        *SAFE,
        (b"accept-ranges", b"none"),
    ]
    if encoding != "identity":
        full.append((b"content-encoding", encoding.encode()))
    return Variant(
        encoding=encoding,
        tag=tag,
        size=encoded.size,
        whole=head(200, full),
        unchanged=head(304, shared),
        body=encoded.body,
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
