"""Numbers in words; strings of strangers that must not drive a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.text import block, count, duration, encodable, latency, one_line, plural, size

HOSTILE = {
    "clear the screen": ("a\x1b[2Jb", "a\ufffd[2Jb"),
    "title": ("\x1b]0;pwned\x07x", "\ufffd]0;pwned\ufffdx"),
    "8-bit CSI": ("a\x9b31mb", "a\ufffd31mb"),
    "bell, backspace, delete": ("a\x07\x08\x7f", "a\ufffd\ufffd\ufffd"),
    "NUL": ("a\0b", "a\ufffdb"),
    "bidi override": ("a\u202egpj.exe", "agpj.exe"),
    "bidi isolates": ("\u2066a\u2069\u061c", "a"),
    "zero width": ("a\u200b\u200c\u200d\u2060\ufeff\u00adb", "ab"),
    "tags and selectors": ("a\U000e0041\ufe0f\U000e0100b", "ab"),
    "line and paragraph separator": ("a\u2028b\u2029c", "a b c"),
    "lines and tabs": ("a\r\nb\tc", "a b c"),
    "lone surrogates": ("a\ud800b\udfff", "a\ufffdb\ufffd"),
    "plain": ("naïve 漢字 🙂", "naïve 漢字 🙂"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_one_line_makes_it_harmless(name: str) -> None:
    raw, expected = HOSTILE[name]
    assert one_line(raw) == expected


ANY_TEXT = st.text(st.characters(), max_size=300) | st.text(
    st.sampled_from("a[2J\x1b\n\r\t\u202e\ud800\u2028\u200b"),
    max_size=300,
)


@given(ANY_TEXT, st.integers(1, 80))
def test_one_line_is_one_short_line_for_any_text(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in line)
    line.encode()


@given(ANY_TEXT)
def test_block_keeps_lines_and_nothing_else_that_drives_a_terminal(text: str) -> None:
    clean = block(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in clean if char != "\n")
    clean.encode()


def test_block_keeps_line_ends() -> None:
    assert block("a\r\n\tb\x1b[0m") == "a\n    b\ufffd[0m"


def test_a_long_text_is_cut_with_a_mark_and_not_read_to_its_end() -> None:
    assert one_line("x" * 10_000_000, 5) == "xxxx…"
    assert one_line("\u200b" * 1000 + "end", 5) == ""


@given(
    st.recursive(
        st.text(st.characters()) | st.integers() | st.none() | st.booleans(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
        max_leaves=20,
    )
)
def test_encodable_data_can_be_encoded_and_is_else_untouched(value: object) -> None:
    clean = encodable(value)
    repr(clean).encode()
    assert encodable(clean) == clean
    try:
        repr(value).encode()
        same = "\\ud" not in repr(value)
    except UnicodeEncodeError:
        same = False
    assert not same or clean == value


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.99, "59s"),
        (60, "1m00s"),
        (3599, "59m59s"),
        (3600, "1h00m"),
        (86400 * 2 + 4 * 3600, "2d04h"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.04, "0.0s"), (9.94, "9.9s"), (9.96, "10s"), (240.6, "4m01s")],
)
def test_latency(seconds: float | None, expected: str) -> None:
    assert latency(seconds) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3_140, "3.1 kB"), (88e9, "88.0 GB")],
)
def test_size(number: float, expected: str) -> None:
    assert size(number) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [(950, "950"), (12_400, "12.4k"), (126_000, "126k"), (1_200_000, "1.2M"), (3e9, "3.0G")],
)
def test_count(number: float, expected: str) -> None:
    assert count(number) == expected


def test_plural() -> None:
    assert plural(1, "row") == "1 row"
    assert plural(2, "row") == "2 rows"
    assert plural(0, "is", "are") == "0 are"
