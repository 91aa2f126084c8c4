"""Long text in lines that fit: broken at blanks where there are some, anywhere where not."""

from functools import lru_cache

from rich.cells import chop_cells

from tui.text import plain


@lru_cache(maxsize=512)
def broken(text: str, cells: int) -> tuple[str, ...]:
    """``text`` (already harmless) as lines of at most ``cells`` cells. Kept for the next frame."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines += _one(line, max(1, cells))
    return tuple(lines)


def _one(line: str, cells: int) -> list[str]:
    if len(line) <= cells and line.isascii():
        return [line]
    if not line.isascii():
        return list(chop_cells(plain(line, len(line)), cells))
    parts: list[str] = []
    start = 0
    while len(line) - start > cells:
        blank = line.rfind(" ", start + cells // 2, start + cells + 1)
        end = blank if blank > start else start + cells
        parts.append(line[start:end])
        start = end + (blank > start)
    parts.append(line[start:])
    return parts
