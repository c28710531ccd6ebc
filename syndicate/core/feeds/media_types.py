"""Media types of pictures and attached files, read off the suffix of their address where nobody says them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

UNKNOWN = "application/octet-stream"  # RFC 2046, section 4.5.1

PICTURES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "svg": "image/svg+xml",
}
_FILES = PICTURES | {
    "aac": "audio/aac",
    "csv": "text/csv",
    "epub": "application/epub+zip",
    "flac": "audio/flac",
    "ics": "text/calendar",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "oga": "audio/ogg",
    "ogg": "audio/ogg",
    "ogv": "video/ogg",
    "opus": "audio/ogg",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "wav": "audio/wav",
    "webm": "video/webm",
    "zip": "application/zip",
}
# RFC 6838, section 4.2: names of a type and a subtype; parameters stay out, readers compare the bare type.
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")


def picture_type(url: str) -> str | None:
    """The media type of a picture, None when the suffix of its address says nothing."""
    return PICTURES.get(_suffix(url))


def file_type(given: str, url: str) -> str:
    """The media type of a file: the one given if it is one, else what the suffix says, else that it is unknown."""
    bare = given.partition(";")[0].strip().lower()
    return bare if is_media_type(bare) else _FILES.get(_suffix(url), UNKNOWN)


def is_media_type(text: str) -> bool:
    """Whether a text is the bare name of a media type (RFC 6838, section 4.2)."""
    return _MEDIA_TYPE.fullmatch(text) is not None


def _suffix(url: str) -> str:
    return urlsplit(url).path.rpartition(".")[2].lower()
