"""Keeps keys out of everything that is written: logs, errors, messages to the engine.

Apart so that each text passes one place, in a host and in the engine. What is masked are the keys
that this process really holds, and whatever looks like one in a header.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

MASK: Final = "***"
_MIN_CHARS: Final = 8
"""Shorter keys ("dummy", "x") are no secrets, and masking them would garble ordinary words."""
_LOOKS_LIKE_KEY: Final = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+|\b(?:api[-_]?key|authorization)['\"]?\s*[:=]\s*['\"]?"
    r"|--(?:[\w-]+-)?(?:key|token|password|secret)[= ])"  # as command lines have it
    r"([A-Za-z0-9._~+/=-]{8,})|\bsk-[A-Za-z0-9_-]{16,}"
)


class Secrets:
    """The keys of a process; `mask` hides them."""

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()
        self._bytes: tuple[bytes, ...] = ()
        self.on_new: Callable[[str], None] | None = None
        """Told of each new key, before it is hidden here."""

    def add_variables(self, names: Iterable[str], environ: Mapping[str, str]) -> None:
        """Hide the values of these variables."""
        for name in names:
            self.add(environ.get(name, ""))

    def add(self, key: str) -> None:
        """Hide this key from now on, with or without the blanks around it."""
        key = key.strip()
        if len(key) >= _MIN_CHARS and key not in self._keys:
            if self.on_new is not None:
                self.on_new(key)
            forms = {key, json.dumps(key)[1:-1], *self._keys}  # as it stands, and inside JSON
            self._keys = tuple(sorted(forms, key=len, reverse=True))
            self._bytes = tuple(form.encode("utf-8", "surrogatepass") for form in self._keys)

    def mask(self, text: str) -> str:
        """The text with every key replaced by ``***``."""
        for key in self._keys:
            if key in text:
                text = text.replace(key, MASK)
        return _LOOKS_LIKE_KEY.sub(_hide, text)

    def inside(self, data: bytes | bytearray) -> bool:
        """Whether a key stands in ``data``: cheap enough for each message of a host."""
        for key in self._bytes:  # noqa: SIM110 - a generator would cost more than the search
            if key in data:
                return True
        return False

    def mask_all(self, value: Any) -> Any:
        """Plain data (dict, list, str, numbers) with every key in it replaced."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, bytes):
            return self.mask(value.decode("utf-8", "surrogateescape")).encode(
                "utf-8", "surrogateescape"
            )
        if isinstance(value, list | tuple):
            return [self.mask_all(item) for item in cast("list[Any]", value)]
        if isinstance(value, dict):
            items = cast("dict[Any, Any]", value).items()
            return {self.mask_all(key): self.mask_all(item) for key, item in items}
        return value


def _hide(match: re.Match[str]) -> str:
    return f"{match[1] or ''}{MASK}"
