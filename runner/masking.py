"""Keeps keys out of everything that is written: logs, errors, messages to the engine.

Apart so that each text passes one place, in a host and in the engine. What is masked are the keys
that this process really holds, and whatever looks like one in a header.
"""

import re
from typing import Final

MASK: Final = "***"
_MIN_CHARS: Final = 8
"""Shorter keys ("dummy", "x") are no secrets, and masking them would garble ordinary words."""
_LOOKS_LIKE_KEY: Final = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:api[-_]?key|authorization)['\"]?\s*[:=]\s*['\"]?)"
    r"([A-Za-z0-9._~+/=-]{8,})|\bsk-[A-Za-z0-9_-]{16,}"
)


class Secrets:
    """The keys of a process; `mask` hides them."""

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()

    def add(self, key: str) -> None:
        """Hide this key from now on."""
        if len(key) >= _MIN_CHARS and key not in self._keys:
            self._keys = tuple(sorted((*self._keys, key), key=len, reverse=True))

    def mask(self, text: str) -> str:
        """The text with every key replaced by ``***``."""
        for key in self._keys:
            if key in text:
                text = text.replace(key, MASK)
        return _LOOKS_LIKE_KEY.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    return f"{match[1] or ''}{MASK}"
