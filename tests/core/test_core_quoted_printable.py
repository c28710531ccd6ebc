from __future__ import annotations

import quopri
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import NONCE

from syndicate.core.message.quoted_printable import encode_base64, encode_body, encode_text, encode_value
from syndicate.core.render.slots import CODES, marker, marker_pattern

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text(st.sampled_from("aF rom.=\n -é漢"), max_size=300)


def decoded(encoded: str) -> str:
    return quopri.decodestring(encoded.encode("ascii")).decode().replace("\r\n", "\n")


def check_lines(encoded: str) -> None:
    assert "\n" not in encoded.replace("\r\n", "")
    assert "\r" not in encoded.replace("\r\n", "")
    for line in encoded.split("\r\n"):
        assert len(line) <= 76
        assert not line.startswith((".", "From "))
        assert not line.endswith((" ", "\t"))
        assert "  " not in line, "DKIM's relaxed form changes runs of blanks"
        assert re.fullmatch(r"[ -~]*", line)


@given(TEXT)
def test_a_text_comes_back_and_its_lines_keep_the_rules(text: str) -> None:
    encoded = encode_text(text)
    check_lines(encoded)
    assert decoded(encoded) == text


@given(TEXT, TEXT, TEXT)
def test_a_value_comes_back_wherever_it_stands(before: str, value: str, after: str) -> None:
    slot = marker("recipient.name", NONCE, "x")
    encoded = encode_text(before + slot + after, marker_pattern(NONCE))
    lines = encoded.split("\r\n")
    assert slot in lines or slot + "=" in lines  # alone between soft breaks
    filled = encoded.replace(slot, encode_value(value))
    check_lines(filled)
    assert decoded(filled) == before + value + after


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=400))
def test_long_words_take_the_short_way_and_keep_the_rules(value: str) -> None:
    encoded = encode_value(value)
    check_lines(encoded)
    assert decoded(encoded) == value


def test_lines_are_cut_at_blanks() -> None:
    text = "The quick harbour pilot went over the long grey pier to see what the noise in the fog was about."
    assert encode_text(text).split("=\r\n") == [
        text[:75].rpartition(" ")[0] + " ",
        text[75 - len(text[:75].rpartition(" ")[2]) :],
    ]


@given(TEXT)
def test_base64_comes_back(text: str) -> None:
    import base64

    encoded = encode_base64(text)
    assert all(len(line) <= 76 for line in encoded.split("\r\n"))
    assert base64.b64decode(encoded).decode().replace("\r\n", "\n") == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain words", "quoted-printable"),
        ("港の便り" * 20, "base64"),
        ("港の便り" * 20 + marker("unsubscribe_url", NONCE), "quoted-printable"),
    ],
)
def test_the_smaller_encoding_is_chosen_unless_there_are_slots(text: str, encoding: str) -> None:
    assert encode_body(text, marker_pattern(NONCE))[0] == encoding


def test_every_slot_has_a_letter_of_its_own() -> None:
    assert len(set(CODES.values())) == len(CODES)
