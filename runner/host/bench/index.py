"""Search over tools: the five that fit a query best.

Ranking is SQLite's FTS5 (Okapi BM25, Porter stemming), from the standard library: no model to
download, no numpy in each host, kept up for longer than any package that does the same. Apart from
the library because it holds a database connection, which must not exist before a host is forked.
"""

import re
import sqlite3
import threading
from typing import Final

from runner.errors import Problem
from runner.host.bench.library import Library, LibraryError, Tool

BEST: Final = 5
_MAX_QUERY_CHARS: Final = 1000
_MAX_QUERY_WORDS: Final = 32
_WEIGHTS: Final = "4.0, 1.0, 2.0, 0.5"
"""Name, category, description, fields: the name says most, a parameter's text least."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+")


class ToolIndex:
    """A full-text index over a registry. Safe for all worker threads of a process."""

    def __init__(self, library: Library) -> None:
        self._tools = list(library.tools.values())
        self._lock = threading.Lock()
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        try:
            self._database.execute(
                "CREATE VIRTUAL TABLE tools USING fts5("
                "name, category, description, fields, tokenize = 'porter unicode61')"
            )
        except sqlite3.OperationalError as error:
            text = f"this Python's SQLite has no full-text search: {error}"
            raise LibraryError([Problem(file="sqlite3", key="fts5", text=text)]) from None
        rows = [(number, *_document(tool)) for number, tool in enumerate(self._tools)]
        self._database.executemany(
            "INSERT INTO tools(rowid, name, category, description, fields) VALUES (?, ?, ?, ?, ?)",
            rows,
        )

    def search(self, query: str) -> list[Tool]:
        """Up to `BEST` tools, best first; equals in registry order; none if no word occurs."""
        terms = list(dict.fromkeys(_words(query[:_MAX_QUERY_CHARS])))[:_MAX_QUERY_WORDS]
        if not terms:
            return []
        # Only letters and digits are left, so nothing of the query is FTS syntax inside quotes.
        match = " OR ".join(f'"{term}"' for term in terms)
        with self._lock:
            rows = self._database.execute(
                f"SELECT rowid FROM tools WHERE tools MATCH ?"  # noqa: S608 - constants only
                f" ORDER BY bm25(tools, {_WEIGHTS}), rowid LIMIT {BEST}",
                (match,),
            ).fetchall()
        return [self._tools[row[0]] for row in rows]


def _document(tool: Tool) -> tuple[str, str, str, str]:
    fields = [f"{one.name} {one.description}" for one in (*tool.parameters, *tool.returns)]
    texts = (tool.name, tool.category, tool.description, " ".join(fields))
    name, category, description, rest = (" ".join(_words(text)) for text in texts)
    return name, category, description, rest


def _words(text: str) -> list[str]:
    """Lower-case words; snake_case and camelCase fall apart, each CJK sign is a word."""
    return [word.lower() for word in _WORD.findall(_HUMP.sub(" ", text))]
