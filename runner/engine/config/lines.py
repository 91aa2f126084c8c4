"""Which line each key of a TOML text stands on.

Apart because ``tomllib`` reads values and drops positions, and the libraries that keep them
(tomlkit) do not give them out either. The scan trusts a text that ``tomllib`` has accepted, so it
needs no grammar of values: it follows keys, headers and brackets, and skips the rest.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import NamedTuple

Path = tuple[str | int, ...]
"""A place in the plan: ``("models", 0, "limits", "attempt")``."""

_TOKEN = re.compile(
    r"""
      (?P<skip>[ \t\r]+|\#[^\n]*)
    | (?P<newline>\n)
    | (?P<text>\"\"\"(?:\\.|[^\\])*?\"{3,5}|'''.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    | (?P<mark>[\[\]{}=,.])
    | (?P<bare>[^\s\#"'\[\]{}=,.]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def key_lines(text: str) -> Mapping[Path, int]:
    """Line numbers, from 1, of every key, table and list element; ``text`` must be valid TOML."""
    scan = _Scan(_tokens(text))
    scan.document()
    return scan.lines


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            tokens.append(_Token(kind, match.group(), line))
        line += match.group().count("\n")
    tokens.append(_Token("end", "", line))
    return tokens


class _Scan:
    """One pass over the tokens, collecting ``lines``."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens = tokens
        self._at = 0
        self._elements: dict[Path, int] = {}

    def document(self) -> None:
        """Statements up to the end: blank lines, headers, and keys with their values."""
        table: Path = ()
        while (token := self._tokens[self._at]).kind != "end":
            if token.kind == "newline":
                self._at += 1
            elif token.text == "[":
                table = self._header()
            else:
                self._assignment(table)

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the table that the next keys belong to."""
        line = self._tokens[self._at].line
        is_list = self._tokens[self._at + 1].text == "["
        self._at += 2 if is_list else 1
        parts = self._key()
        self._at += 2 if is_list else 1
        path: Path = ()
        for part in parts[:-1]:
            path = self._last_element((*path, part))
            self.lines.setdefault(path, line)
        path = (*path, parts[-1])
        if not is_list:
            path = self._last_element(path)
        else:
            self.lines.setdefault(path, line)
            index = self._elements.get(path, 0)
            self._elements[path] = index + 1
            path = (*path, index)
        self.lines[path] = line
        return path

    def _last_element(self, path: Path) -> Path:
        count = self._elements.get(path)
        return path if count is None else (*path, count - 1)

    def _assignment(self, table: Path) -> None:
        line = self._tokens[self._at].line
        path = table
        for part in self._key():
            path = (*path, part)
            self.lines.setdefault(path, line)
        self._at += 1
        self._value(path)

    def _key(self) -> list[str]:
        parts = [self._key_part()]
        while self._tokens[self._at].text == ".":
            self._at += 1
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "text":
            return tomllib.loads(f"key = {token.text}")["key"]
        return token.text

    def _value(self, path: Path) -> None:
        match self._tokens[self._at].text:
            case "[":
                self._list(path)
            case "{":
                self._inline_table(path)
            case _:
                while (token := self._tokens[self._at]).text not in (",", "]", "}"):
                    if token.kind in ("newline", "end"):
                        break
                    self._at += 1

    def _list(self, path: Path) -> None:
        self._at += 1
        index = 0
        while (token := self._tokens[self._at]).text != "]":
            if token.kind == "newline" or token.text == ",":
                self._at += 1
                continue
            self.lines[(*path, index)] = token.line
            self._value((*path, index))
            index += 1
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while (token := self._tokens[self._at]).text != "}":
            if token.kind == "newline" or token.text == ",":
                self._at += 1
                continue
            self._assignment(path)
        self._at += 1
