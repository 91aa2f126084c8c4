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
    from runner.charts import Figures, Heat, figures
    from runner.client import Control, command
    from runner.core.incidents import Incident, incident_words
    from runner.core.state.snapshot import copy_state
    from runner.demo import Demo, Surprise, start_demo, surprises
    from runner.doctor import Diagnosis, diagnose, diagnosis_words
    from runner.engine.config import PlanDocument, plan_template, read_plan
    from runner.engine.evaluate import Evaluation, evaluate_file
    from runner.engine.verify import VerifyReport, verify
    from runner.errors import (
        ControlRefused,
        EngineGone,
        PilotError,
        PlanError,
        RunError,
        format_problems,
    )
    from runner.glance import Glance, glances
    from runner.grouping import Format, summary, summary_text
    from runner.history import Cursor, History, Mark, incidents_of
    from runner.launch import launch, resume_run
    from runner.mishaps import Mishap, Mishaps
    from runner.reading import (
        Reading,
        ask_ping,
        end_of,
        present,
        read_run,
        read_state,
        state_word,
        task_results,
    )
    from runner.rehearse import Script, ScriptError, serve
    from runner.report import Group, report_of
    from runner.runs import RunInfo, engine_alive, find_run, list_runs, runs_folder
    from runner.table import ResultList, ResultRow, result_list, results
    from runner.tail import AttemptTail, Bodies, Tail, events_named, events_of, follow

_LAZY: Final = {
    "events_named": "runner.tail",
    "Format": "runner.grouping",
    "figures": "runner.charts",
    "Heat": "runner.charts",
    "Figures": "runner.charts",
    "AttemptTail": "runner.tail",
    "Bodies": "runner.tail",
    "Control": "runner.client",
    "ControlRefused": "runner.errors",
    "Cursor": "runner.history",
    "Demo": "runner.demo",
    "Diagnosis": "runner.doctor",
    "EngineGone": "runner.errors",
    "Evaluation": "runner.engine.evaluate",
    "Group": "runner.report",
    "Glance": "runner.glance",
    "History": "runner.history",
    "Incident": "runner.core.incidents",
    "Mark": "runner.history",
    "Mishap": "runner.mishaps",
    "Mishaps": "runner.mishaps",
    "PilotError": "runner.errors",
    "PlanDocument": "runner.engine.config",
    "PlanError": "runner.errors",
    "RunError": "runner.errors",
    "Reading": "runner.reading",
    "RunInfo": "runner.runs",
    "Script": "runner.rehearse",
    "ScriptError": "runner.rehearse",
    "Surprise": "runner.demo",
    "Tail": "runner.tail",
    "VerifyReport": "runner.engine.verify",
    "ResultList": "runner.table",
    "ResultRow": "runner.table",
    "result_list": "runner.table",
    "results": "runner.table",
    "summary": "runner.grouping",
    "summary_text": "runner.grouping",
    "ask_ping": "runner.reading",
    "command": "runner.client",
    "copy_state": "runner.core.state.snapshot",
    "diagnose": "runner.doctor",
    "diagnosis_words": "runner.doctor",
    "end_of": "runner.reading",
    "engine_alive": "runner.runs",
    "evaluate_file": "runner.engine.evaluate",
    "events_of": "runner.tail",
    "find_run": "runner.runs",
    "follow": "runner.tail",
    "format_problems": "runner.errors",
    "glances": "runner.glance",
    "incident_words": "runner.core.incidents",
    "incidents_of": "runner.history",
    "launch": "runner.launch",
    "list_runs": "runner.runs",
    "plan_template": "runner.engine.config",
    "present": "runner.reading",
    "read_plan": "runner.engine.config",
    "read_run": "runner.reading",
    "read_state": "runner.reading",
    "report_of": "runner.report",
    "resume_run": "runner.launch",
    "runs_folder": "runner.runs",
    "serve": "runner.rehearse",
    "start_demo": "runner.demo",
    "state_word": "runner.reading",
    "surprises": "runner.demo",
    "task_results": "runner.reading",
    "verify": "runner.engine.verify",
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
    "ControlRefused",
    "Cursor",
    "Demo",
    "Diagnosis",
    "EndpointState",
    "EngineGone",
    "EngineSeen",
    "Evaluation",
    "Figures",
    "Format",
    "Glance",
    "Group",
    "Heat",
    "History",
    "HostState",
    "Incident",
    "Mark",
    "Mishap",
    "Mishaps",
    "Outlook",
    "PilotError",
    "Plan",
    "PlanDocument",
    "PlanError",
    "Reading",
    "ResultList",
    "ResultRow",
    "RunError",
    "RunInfo",
    "Script",
    "ScriptError",
    "State",
    "Surprise",
    "Tail",
    "TaskState",
    "Trouble",
    "Verdict",
    "VerifyReport",
    "WorkerState",
    "ZombieState",
    "apply",
    "ask_ping",
    "backing_off",
    "block",
    "command",
    "copy_state",
    "count",
    "diagnose",
    "diagnosis_words",
    "doing",
    "duration",
    "elapsed_s",
    "end_of",
    "endpoint_key",
    "engine_alive",
    "eta_s",
    "evaluate_file",
    "events",
    "events_named",
    "events_of",
    "figures",
    "find_run",
    "fold",
    "follow",
    "format_problems",
    "glances",
    "health",
    "incident_words",
    "incidents_of",
    "is_scored",
    "latency",
    "launch",
    "limits_of",
    "list_runs",
    "model_workers",
    "not_scored",
    "one_line",
    "outlook",
    "plan_template",
    "plural",
    "present",
    "productive",
    "quantile",
    "read_plan",
    "read_run",
    "read_state",
    "report_of",
    "result_list",
    "results",
    "resume_run",
    "rows_json",
    "run_elapsed_s",
    "run_state",
    "runs_folder",
    "serve",
    "silent_s",
    "size",
    "stalled_s",
    "start_demo",
    "state_word",
    "status",
    "summary",
    "summary_text",
    "surprises",
    "task_results",
    "tasks_per_s",
    "troubles",
    "verdict",
    "verify",
    "watch_of",
    "why",
]
