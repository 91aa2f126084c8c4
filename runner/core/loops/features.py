"""What a loop rule may know of a turn, and how equal turns are told from different ones.

It is apart because hosts make features and engines judge them: only these few figures cross the
process border, never the text of a model, so no rule can be frozen by what a model writes.
"""

from hashlib import blake2b
from typing import Literal

import msgspec

TurnKind = Literal["search", "tool_info", "tool_call", "none"]
"""What the reply asked for. ``none``: no valid action was found in it."""

TurnResult = Literal["ok", "failed", "both", "none"]
"""What became of the tools that the turn ran: ``both`` is a success and a failure, ``none`` is that
nothing ran. A host that cannot see what a tool returned says ``ok``: what is unknown is never held
against an attempt."""


class TurnFeatures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One turn as the loop rules see it. Made in the host in time linear in the reply's length."""

    kind: TurnKind
    signature: str
    """`signature` of the action; equal exactly where the turn asks for the same thing again."""
    result: TurnResult = "none"
    unclosed_tag: bool = False
    """The reply opens an action tag and never closes it."""
    all_required_ok: bool = False
    """Every required tool has succeeded by the end of this turn: nothing is left to do."""
    chars: int = 0
    """Length of the reply. Shown beside the evidence; no rule reads it."""


def signature(kind: TurnKind, argument: str) -> str:
    """Return 16 hex digits that are equal for the same action on the same argument.

    ``argument`` is the query, the tool's name, the call as written, or for ``none`` the whole
    reply. Case and white space do not count. Linear in ``argument``; any string is taken, lone
    surrogates included.
    """
    normal = " ".join(argument.casefold().split())
    digest = blake2b(f"{kind}\0{normal}".encode("utf-8", "surrogatepass"), digest_size=8)
    return digest.hexdigest()
