"""Numbers in words, and strings of strangers made harmless.

The same few forms are used by the verdict, the screens, headless lines and hooks, so they live
once. Durations carry units; ``hh:mm`` is left for clock time.
"""

from itertools import chain
from typing import Any, Final, cast

_CONTROL: Final = dict.fromkeys(
    # Lone surrogates among them: a terminal's encoding has no bytes for them, so printing fails.
    (*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0xD800, 0xE000)),
    0xFFFD,
)
_INVISIBLE_RANGES: Final = (
    range(0x200B, 0x2010),
    range(0x202A, 0x202F),
    range(0x2060, 0x2070),
    range(0xFE00, 0xFE10),
    range(0xFFF9, 0xFFFC),
    range(0xE0000, 0xE0080),
    range(0xE0100, 0xE01F0),
    (0x00AD, 0x034F, 0x061C, 0x180E, 0xFEFF),
)
_INVISIBLE: Final = dict.fromkeys(chain.from_iterable(_INVISIBLE_RANGES))
_LINE: Final = {
    **_CONTROL,
    **_INVISIBLE,
    **dict.fromkeys((0x09, 0x0A, 0x2028, 0x2029), " "),
    0x0D: None,
}
_BLOCK: Final = {
    **_CONTROL,
    **_INVISIBLE,
    **dict.fromkeys((0x0A, 0x2028, 0x2029), "\n"),
    0x09: "    ",
    0x0D: None,
}


def one_line(text: str, limit: int = 200) -> str:
    """``text`` on one line, at most ``limit`` characters, nothing in it that drives a terminal.

    Control characters become U+FFFD, bidi and zero-width ones go, line ends become blanks.
    """
    clean = text[: 2 * limit + 64].translate(_LINE)
    return clean if len(clean) <= limit else clean[: max(0, limit - 1)] + "…"


def block(text: str) -> str:
    """``text`` with its line ends, and nothing else in it that drives a terminal."""
    return text.translate(_BLOCK)


def encodable(value: Any) -> Any:
    """``value`` (plain data: dict, list, str, numbers) with U+FFFD for each lone surrogate."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list | tuple):
        return [encodable(item) for item in cast(list[Any], value)]
    if isinstance(value, dict):
        items = cast(dict[Any, Any], value).items()
        return {encodable(key): encodable(item) for key, item in items}
    return value


def duration(seconds: float) -> str:
    """``47s``, ``2m23s``, ``3h12m``, ``2d04h``: whole seconds, two units at most."""
    whole = int(max(0.0, seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def latency(seconds: float | None) -> str:
    """A call's latency: ``0.6s``, ``12s``, ``4m01s``; empty where there is none yet."""
    if seconds is None:
        return ""
    return f"{seconds:.1f}s" if seconds < 9.95 else duration(seconds + 0.5)


def size(count: float) -> str:
    """Bytes: ``512 B``, ``3.1 kB``, ``88 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.5 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def count(number: float) -> str:
    """A count: ``950``, ``12.4k``, ``126k``, ``1.2M``."""
    for unit in ("", "k", "M"):
        if number < 999.5:
            whole = not unit or number >= 99.5
            return f"{number:.0f}{unit}" if whole else f"{number:.1f}{unit}"
        number /= 1000
    return f"{number:.1f}G"


def plural(number: int, one: str, many: str = "") -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
