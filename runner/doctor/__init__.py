"""What is the matter, looked at from outside: runs of ours, and harnesses that are not ours.

Facts are gathered in `processes`, `connections`, `files` and `stacks`, judged in `judge` and
`causes` (pure) and `runs`, said in `words`. Only `ending` changes anything, and only what was
listed and agreed to.
"""

from runner.doctor.ending import Ended, end_processes
from runner.doctor.foreign import diagnose_matching, diagnose_pids, idle_trees
from runner.doctor.model import ForeignDiagnosis, Process, Unread
from runner.doctor.runs import Diagnosis, StuckWorker, diagnose
from runner.doctor.words import diagnosis_words, foreign_markdown, foreign_words

__all__ = [
    "Diagnosis",
    "Ended",
    "ForeignDiagnosis",
    "Process",
    "StuckWorker",
    "Unread",
    "diagnose",
    "diagnose_matching",
    "diagnose_pids",
    "diagnosis_words",
    "end_processes",
    "foreign_markdown",
    "foreign_words",
    "idle_trees",
]
