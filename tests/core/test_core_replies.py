from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.replies import TEXT_LIMIT, MalformedReplyError, Reply, enhanced_code, take_consent, take_reply, tidy

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=80)


def on_the_wire(code: int, lines: list[str], end: str = "\r\n") -> bytes:
    last = len(lines) - 1
    return "".join(f"{code}{'-' if n < last else ' '}{line}{end}" for n, line in enumerate(lines)).encode()


@given(
    replies=st.lists(st.tuples(st.integers(200, 599), st.lists(TEXTS, min_size=1, max_size=5)), min_size=1, max_size=4),
    cuts=st.lists(st.integers(1, 40), min_size=1),
    end=st.sampled_from(["\r\n", "\n"]),
)
def test_replies_come_out_as_they_went_in_however_they_are_cut(
    replies: list[tuple[int, list[str]]], cuts: list[int], end: str
) -> None:
    wire = b"".join(on_the_wire(code, lines, end) for code, lines in replies)
    buffer, found, step = bytearray(), [], 0
    while wire:
        size = cuts[step % len(cuts)]
        step += 1
        buffer += wire[:size]
        wire = wire[size:]
        while (reply := take_reply(buffer)) is not None:
            found.append(reply)
    assert found == [Reply(code, "\n".join(lines)) for code, lines in replies]
    assert not buffer


@given(st.binary(max_size=300))
def test_any_bytes_are_a_reply_or_incomplete_or_malformed(data: bytes) -> None:
    buffer = bytearray(data)
    try:
        reply = take_reply(buffer)
    except MalformedReplyError:
        return
    if reply is None:
        assert bytes(buffer) == data
    else:
        assert 200 <= reply.code <= 599
        assert len(buffer) < len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"hello\r\n",
        b"25 OK\r\n",
        b"2500 OK\r\n",
        b"250OK\r\n",
        b"150 perhaps\r\n",
        b"600 no\r\n",
        b" 250 OK\r\n",
        b"250-one\r\n251 two\r\n",
        b"250 " + b"x" * 9000 + b"\r\n",
        b"x" * 9000,
        b"250-x\r\n" * 300,
    ],
)
def test_malformed(data: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        take_reply(bytearray(data))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("5.7.1: go away", "5.7.1"),
        ("5.7.515 Access denied", "5.7.515"),
        ("go away\n5.7.1 I said", "5.7.1"),
        ("2.0.0", "2.0.0"),
        ("5.1.1.1 version", None),
        ("1.2.3 not a class", None),
        ("5.1.1000 too long", None),
        ("see 5.1.1", None),
        ("", None),
    ],
)
def test_enhanced_code(text: str, code: str | None) -> None:
    assert enhanced_code(text) == code


def test_tidy_says_a_repeated_code_once() -> None:
    assert tidy("5.7.1 Our system\n5.7.1 has detected\n5.7.1  spam") == "5.7.1 Our system has detected spam"
    assert tidy("5.7.1 one\n5.7.2 two") == "5.7.1 one 5.7.2 two"


@given(st.text(max_size=1200))
def test_tidy_is_one_short_printable_line(text: str) -> None:
    kept = tidy(text)
    assert len(kept) <= TEXT_LIMIT
    assert not any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in kept)
    assert kept == kept.strip(" ")
    assert tidy(kept) == kept


@pytest.mark.parametrize(
    ("buffer", "rest"),
    [
        (b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go\r\n", b""),
        (b"250 a\r\n251 b\r\n354 go\r\n250 more", b"250 more"),
        (b"250 a\r\n250 b\r\n", None),
        (b"250 a\r\n550 b\r\n354 go\r\n", None),
        (b"250-a\r\n250 a\r\n250 b\r\n354 go\r\n", None),
        (b"250 a\r\n250 b\r\n250 c\r\n", None),
        (b"", None),
    ],
)
def test_consent_is_taken_whole_or_left(buffer: bytes, rest: bytes | None) -> None:
    left = bytearray(buffer)
    assert take_consent(left) == (rest is not None)
    assert bytes(left) == (buffer if rest is None else rest)
