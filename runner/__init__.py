"""The public face of the runner: what screens, scripts and notebooks import, and nothing else.

``import runner`` loads the pure core only. What needs a file, a socket or a table library is loaded
on first use (PEP 562), because `status` and the dashboard should not pay for polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from runner.core import events
from runner.core.health import (
    Outlook,
    elapsed_s,
    health,
    limits_of,
    outlook,
    silent_s,
    stalled_s,
    watch_of,
)
from runner.core.outcomes import OUTCOMES, SCORED, UNSCORED, is_scored
from runner.core.plan import Plan
from runner.core.state import (
    EndpointState,
    HostState,
    State,
    TaskState,
    WorkerState,
    ZombieState,
    apply,
    endpoint_key,
    fold,
    productive,
)
from runner.core.status import (
    backing_off,
    eta_s,
    model_workers,
    not_scored,
    rows_json,
    run_elapsed_s,
    run_state,
    status,
    tasks_per_s,
)
from runner.core.text import block, count, duration, latency, one_line, plural, size
from runner.core.verdict import (
    ENGINE_LATE_S,
    ENGINE_SILENT_S,
    EngineSeen,
    Trouble,
    Verdict,
    troubles,
    verdict,
)
from runner.core.why import BACKOFF_WORDS, DOING, LIMIT_SHORT, LIMIT_WORDS, doing, quantile, why

if TYPE_CHECKING:
    from runner.client import Control, command
    from runner.core.incidents import Incident, incident_words
    from runner.core.state.snapshot import copy_state
    from runner.errors import EngineGone, PilotError
    from runner.history import Cursor, History, Mark, incidents_of
    from runner.runs import (
        RunInfo,
        engine_alive,
        find_run,
        list_runs,
        runs_folder,
    )
    from runner.tail import AttemptTail, Bodies, Tail, events_of, follow

_LAZY: Final = {
    "AttemptTail": "runner.tail",
    "Bodies": "runner.tail",
    "Control": "runner.client",
    "Cursor": "runner.history",
    "EngineGone": "runner.errors",
    "History": "runner.history",
    "Incident": "runner.core.incidents",
    "Mark": "runner.history",
    "PilotError": "runner.errors",
    "RunInfo": "runner.runs",
    "Tail": "runner.tail",
    "command": "runner.client",
    "copy_state": "runner.core.state.snapshot",
    "engine_alive": "runner.runs",
    "events_of": "runner.tail",
    "find_run": "runner.runs",
    "follow": "runner.tail",
    "incident_words": "runner.core.incidents",
    "incidents_of": "runner.history",
    "list_runs": "runner.runs",
    "runs_folder": "runner.runs",
}


def __getattr__(name: str) -> Any:
    """Load what is behind ``name`` on first use."""
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module 'runner' has no attribute {name!r}")
    found = getattr(import_module(module), name)
    globals()[name] = found
    return found


__all__ = [
    "BACKOFF_WORDS",
    "DOING",
    "ENGINE_LATE_S",
    "ENGINE_SILENT_S",
    "LIMIT_SHORT",
    "LIMIT_WORDS",
    "OUTCOMES",
    "SCORED",
    "UNSCORED",
    "AttemptTail",
    "Bodies",
    "Control",
    "Cursor",
    "EndpointState",
    "EngineGone",
    "EngineSeen",
    "History",
    "HostState",
    "Incident",
    "Mark",
    "Outlook",
    "PilotError",
    "Plan",
    "RunInfo",
    "State",
    "Tail",
    "TaskState",
    "Trouble",
    "Verdict",
    "WorkerState",
    "ZombieState",
    "apply",
    "backing_off",
    "block",
    "command",
    "copy_state",
    "count",
    "doing",
    "duration",
    "elapsed_s",
    "endpoint_key",
    "engine_alive",
    "eta_s",
    "events",
    "events_of",
    "find_run",
    "fold",
    "follow",
    "health",
    "incident_words",
    "incidents_of",
    "is_scored",
    "latency",
    "limits_of",
    "list_runs",
    "model_workers",
    "not_scored",
    "one_line",
    "outlook",
    "plural",
    "productive",
    "quantile",
    "rows_json",
    "run_elapsed_s",
    "run_state",
    "runs_folder",
    "silent_s",
    "size",
    "stalled_s",
    "status",
    "tasks_per_s",
    "troubles",
    "verdict",
    "watch_of",
    "why",
]
