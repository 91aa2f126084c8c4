"""Loop detection: features of each turn in, findings out, pure and the same live and in replay.

It is apart because three callers share it: the host makes the features, the engine judges them
while the attempt runs, and ``loops evaluate`` and replay judge recorded turns with the same code.
What each rule may do to an attempt is ``runner.core.plan.Loops``.
"""

from runner.core.loops.detector import Finding, LoopDetector, first_kills
from runner.core.loops.features import TurnFeatures, TurnKind, TurnResult, signature
from runner.core.loops.rules import JUDGED_RULES, LoopRule

__all__ = [
    "JUDGED_RULES",
    "Finding",
    "LoopDetector",
    "LoopRule",
    "TurnFeatures",
    "TurnKind",
    "TurnResult",
    "first_kills",
    "signature",
]
