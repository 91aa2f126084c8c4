"""How a wrapped script and the host that carries its requests find each other.

Apart because launcher and host agree on it, and neither may import the other. It travels in the
environment of our own processes, as keys do, and reaches no file.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

VARIABLE: Final = "PILOT_WRAP"


class Door(NamedTuple):
    """A port on loopback, the token that the script sends as its key, and the launcher's pid."""

    port: int
    token: str
    launcher: int

    def __str__(self) -> str:
        """As it stands in the variable."""
        return f"{self.port}:{self.token}:{self.launcher}"


def door_of(environ: Mapping[str, str]) -> Door | None:
    """The door that ``environ`` names; None if it names none."""
    parts = environ.get(VARIABLE, "").split(":")
    if len(parts) != 3 or not parts[0].isdecimal() or not parts[1] or not parts[2].isdecimal():
        return None
    return Door(int(parts[0]), parts[1], int(parts[2]))
