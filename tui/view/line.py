"""A line of the screen: pieces of text, each with the role that its colour plays.

Roles, not colours, so that a theme can change in mid-run and a view is compared as text. A piece
may carry a target: what a click on it means.
"""

from functools import lru_cache
from typing import Final, NamedTuple

from tui.text import MORE, cut, width


class Ink(NamedTuple):
    """Roles of a piece of text: names of colours in a theme (`tui.theme.ROLES`)."""

    fg: str = "text"
    bg: str = "bg"
    bold: bool = False


class Piece(NamedTuple):
    """Text in one ink; ``target`` names what a click on it does, empty for nothing."""

    text: str
    ink: Ink
    target: str = ""


@lru_cache(maxsize=1024)
def _on(ink: Ink, background: str) -> Ink:
    return ink._replace(bg=background)


TEXT: Final = Ink("text")
HI: Final = Ink("hi", bold=True)
DIM: Final = Ink("dim")
EDGE: Final = Ink("edge")


class Line:
    """Pieces from left to right. Built by `add`, closed by `fit`, compared by its pieces."""

    __slots__ = ("pieces", "width")

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.width = 0

    def add(self, text: str, ink: Ink = TEXT, target: str = "") -> "Line":
        """Append ``text``; returns the line, so that calls can follow each other."""
        if text:
            self.pieces.append(Piece(text, ink, target))
            self.width += len(text) if text.isascii() else width(text)
        return self

    def whole(self, cells: int, text: str, ink: Ink = TEXT, target: str = "") -> "Line":
        """Append ``text`` if the line then still fits ``cells``: half a word tells nothing."""
        return self.add(text, ink, target) if self.width + width(text) <= cells else self

    def extend(self, other: "Line") -> "Line":
        """Append all pieces of ``other``."""
        self.pieces += other.pieces
        self.width += other.width
        return self

    def to(self, column: int, ink: Ink = TEXT, fill: str = " ") -> "Line":
        """Fill up to ``column`` with ``fill``; nothing where the line is already that wide."""
        if column > self.width:
            self.add(fill * (column - self.width), ink)
        return self

    def fit(self, cells: int, ink: Ink = TEXT) -> "Line":
        """Exactly ``cells`` cells: filled with blanks, or cut at the right edge."""
        while self.width > cells:
            last = self.pieces.pop()
            self.width -= width(last.text)
            if self.width < cells:
                self.add(cut(last.text, cells - self.width), last.ink, last.target)
        return self.to(cells, ink)

    def on(self, background: str) -> "Line":
        """The same line with every plain background replaced by ``background``."""
        if background != "bg":
            self.pieces = [
                Piece(piece.text, _on(piece.ink, background), piece.target)
                if piece.ink.bg == "bg"
                else piece
                for piece in self.pieces
            ]
        return self

    def faded(self) -> "Line":
        """The same text in grey, for numbers that are old."""
        line = Line()
        line.pieces = [Piece(piece.text, DIM, piece.target) for piece in self.pieces]
        line.width = self.width
        return line

    def ends_with(self, more: str) -> "Line":
        """The same line with ``more``, one cell wide, where something was cut off.

        `fit` does not know which characters are drawn; whoever paints the line does.
        """
        if more != MORE:
            self.pieces = [
                piece._replace(text=piece.text.replace(MORE, more)) for piece in self.pieces
            ]
        return self

    def target_at(self, column: int) -> str:
        """What a click at ``column`` means; empty for nothing."""
        for piece in self.pieces:
            column -= width(piece.text)
            if column < 0:
                return piece.target
        return ""

    @property
    def text(self) -> str:
        """The line without its inks."""
        return "".join(piece.text for piece in self.pieces)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self.pieces == other.pieces

    __hash__ = None  # type: ignore[assignment]  # a line grows, so it is no key

    def __repr__(self) -> str:
        return f"Line({self.text!r})"


def rule(title: Line, cells: int, dash: str, right: Line | None = None) -> Line:
    """A heading: ``-- TITLE -------- right -``, ``cells`` wide."""
    line = Line().add(dash * 2 + " ", EDGE).extend(title).add(" ", EDGE)
    tail = Line()
    if right is not None and right.width and line.width + right.width + 4 <= cells:
        tail.add(" ").extend(right).add(" " + dash, EDGE)
    line.to(cells - tail.width, EDGE, dash)
    return line.extend(tail).fit(cells)


def button(label: str, target: str, *, on: bool = True) -> Line:
    """``[ x kill ]`` as a piece that can be clicked; grey and dead where ``on`` is false."""
    ink = Ink("button_text", "button") if on else Ink("dim", "button")
    return Line().add(f" {label} ", ink, target if on else "")
