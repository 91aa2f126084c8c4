"""Finds keys and passwords that were pasted into a plan.

Apart because a plan is copied into the run folder as it stands, comments included, so the whole
text is searched and not only the values; what is found is never repeated in a message.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_KEY_SHAPES = re.compile(
    r"""(?<![A-Za-z0-9_])(?:
      sk-(?!learn)[A-Za-z0-9_-]{8,}                      # OpenAI, Anthropic, DeepSeek, DashScope
    | (?:gsk|xai|hf|ghp|gho|ghs|nvapi|pplx|r8)[_-][A-Za-z0-9_-]{16,}
    | github_pat_\w{16,} | AKIA[A-Z0-9]{16} | AIza[\w-]{30,}
    | eyJ[\w-]{10,}\.[\w-]{6,}                            # a JWT
    )
    | (?i:\b(?:bearer|basic)\s+(?=\S*\d)[\w.~+/=-]{16,})
    | (?<=://)[^\s/@:"']+:[^\s/@"']+(?=@)                 # user:password@host
    """,
    re.VERBOSE,
)
_OPAQUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[A-Za-z0-9+/=]{28,}|[0-9a-fA-F]{32,}")
_SECRET_NAMES = re.compile(
    r"""
      (?:.*[_-])?(?:api[_-]?key|subscription[_-]key|secret|password|passwd|authorization|credentials?)
    | (?:auth|access|bearer|session|refresh)[_-]?token | secret[_-]key | token | key | cookie
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SHORTEST_KEY_CHARS = 12


def looks_secret(text: str) -> bool:
    """Whether the text has the shape of a key: a known prefix, or long and random."""
    return bool(_KEY_SHAPES.search(text) or _OPAQUE.fullmatch(text))


def scrub(text: str) -> str:
    """The text with everything of a key's shape replaced by ``***``."""
    return _KEY_SHAPES.sub("***", text)


def names_secret(key: str) -> bool:
    """Whether a value under this key would be a secret: ``api_key``, ``Authorization``, ..."""
    return bool(_SECRET_NAMES.fullmatch(key))


def secret_lines(text: str, known: Iterable[str]) -> Iterator[int]:
    """Lines, from 1, with something of the shape of a key or with a ``known`` key of this process.

    Short known keys (``none``, ``rehearsal``) are words that may stand anywhere, so they do not
    count.
    """
    literal = [key for key in known if len(key) >= _SHORTEST_KEY_CHARS and re.search(r"\d", key)]
    for number, line in enumerate(text.split("\n"), 1):
        if _KEY_SHAPES.search(line) or any(key in line for key in literal):
            yield number


def url_secret(url: str) -> str:
    """What kind of secret the URL carries, or nothing: ``a user and password``, ``?api-key=``."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if "@" in parts.netloc:
        return "a user or password before @"
    for key, value in parse_qsl(parts.query):
        if value and names_secret(key):
            return f"a key as ?{key}="
    return ""


def secret_keys(table: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Paths inside ``table``, at any depth, whose name says that their text is a secret."""
    for key, value in table.items():
        if isinstance(value, str) and value and names_secret(key):
            yield (key,)
        elif isinstance(value, dict):
            nested: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            for path in secret_keys(nested):
                yield (key, *path)
