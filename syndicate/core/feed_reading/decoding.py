"""From the bytes of a feed to its text: which encoding it is in, whatever it says (RFC 7303, section 3; RFC 8259, 8.1).

Nothing here knows what the text means.
"""

from __future__ import annotations

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WITHOUT_MARK = ((b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"), (b"{\x00", "utf-16-le"), (b"\x00{", "utf-16-be"))
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9._-]{1,40})""", re.IGNORECASE)
# Those that feeds have been seen in. Not UTF-7, in which "<" can hide, nor Python's own (idna, unicode_escape …).
_ALLOWED = re.compile(
    r"ascii|utf-8|utf-(16|32)(-le|-be)?|cp(125\d|437|85\d|86\d|874|932|949|950)|iso8859-\d+|koi8-[rut]|"
    r"gbk|gb2312|gb18030|big5(hkscs)?|euc_(jp|kr)|euc_jis_2004|shift_jis(_2004|x0213)?|iso2022_(jp|kr).*|mac-.*|tis-620|"
    r"hz|johab"
)


def decode(data: bytes, content_type: str = "") -> str:
    """Decode a document. ``content_type`` is the header's value; a wrong one does no harm.

    Never fails: bytes that make no sense become U+FFFD.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    for start, encoding in _WITHOUT_MARK:
        if data.startswith(start):
            return data.decode(encoding, "replace")
    named = _named(data, content_type)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_other(data, named)
    # What is valid UTF-8 and not plain ASCII is UTF-8, whatever it is declared to be: other encodings hit that by
    # chance in some thousandths of short texts only. Plain ASCII may still be ISO-2022-JP.
    if data.isascii() and named and named.startswith("iso2022"):
        return data.decode(named, "replace")
    return text


def _named(data: bytes, content_type: str) -> str | None:
    """The codec that the header names, else the document itself, if it is one that we use."""
    header, declared = _CHARSET.search(content_type), _DECLARED.match(data[:400])
    for name in (header[1] if header else "", declared[1].decode("ascii") if declared else ""):
        try:
            codec = codecs.lookup(name).name if name else ""
        except LookupError:
            continue
        # A declaration that can be read as ASCII does not stand in UTF-16 or UTF-32.
        if _ALLOWED.fullmatch(codec) and not codec.startswith(("utf-16", "utf-32", "utf-8", "ascii")):
            return "cp1252" if codec == "iso8859-1" else codec  # as browsers read it (WHATWG Encoding, 4.2)
    return None


def _decode_other(data: bytes, named: str | None) -> str:
    """Decode what is no UTF-8: as named, else as UTF-8 with a few broken bytes, else as Windows-1252."""
    if named is not None:
        return data.decode(named, "replace")
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    others = sum(not character.isascii() for character in text) - broken
    return text if others > broken else data.decode("cp1252", "replace")
