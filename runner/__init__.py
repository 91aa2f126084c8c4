"""The public face of the runner: what screens, scripts and notebooks import, and nothing else.

``import runner`` loads the pure core only. What needs a file, a socket or a table library is loaded
on first use (PEP 562), because `status` and the dashboard should not pay for polars.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from runner.core import events as ev
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
    from runner.doctor import (
        Diagnosis,
        Ended,
        ForeignDiagnosis,
        diagnose,
        diagnose_matching,
        diagnose_pids,
        diagnosis_words,
        end_processes,
        foreign_markdown,
        foreign_words,
        idle_trees,
    )
    from runner.engine.config import PlanDocument, plan_template, read_plan
    from runner.engine.evaluate import Evaluation, evaluate_file
    from runner.engine.notify import call_once
    from runner.engine.verify import VerifyReport, verify
    from runner.errors import (
        ControlRefused,
        EngineGone,
        PilotError,
        PlanError,
        RunError,
        format_problems,
    )
    from runner.hook import Called
    from runner.importing import Imported, import_logs
    from runner.past.charts import Figures, Heat, figures
    from runner.past.glance import Glance, glances
    from runner.past.history import Cursor, History, Mark, incidents_of
    from runner.past.mishaps import Mishap, Mishaps
    from runner.past.notebook import events, run, state
    from runner.past.reading import (
        Reading,
        ask_ping,
        end_of,
        present,
        read_run,
        read_state,
        state_word,
        task_results,
    )
    from runner.past.table import ResultList, ResultRow, result_list, results
    from runner.past.tail import AttemptTail, Bodies, Tail, events_named, events_of, follow
    from runner.past.until import IncidentsUntil
    from runner.rehearse import Script, ScriptError, serve
    from runner.report.groups import Unscored, summary
    from runner.report.judged import judged, run_names, stacked
    from runner.report.phases import phase_frame, phase_tables, phase_text
    from runner.report.text import (
        Format,
        grid,
        long_form,
        parquet_bytes,
        side_by_side,
        summary_text,
    )
    from runner.runs import (
        RunInfo,
        engine_alive,
        engine_pid,
        find_run,
        home_folder,
        list_runs,
        runs_folder,
    )
    from runner.start.demo import Demo, Surprise, start_demo, surprises
    from runner.start.demo_local import start_local_demo, unscored
    from runner.start.launching import launch, resume_run
    from runner.start.leaving import LogoutWarning, logout_warning
    from runner.start.probing import Probe, probe_plan, probe_words
    from runner.start.wrap import start_wrap

_HOMES: Final = {
    "runner.client": "Control command",
    "runner.core.incidents": "Incident incident_words",
    "runner.core.state.snapshot": "copy_state",
    "runner.doctor": (
        "Diagnosis Ended ForeignDiagnosis diagnose diagnose_matching diagnose_pids "
        "diagnosis_words end_processes foreign_markdown foreign_words idle_trees"
    ),
    "runner.engine.config": "PlanDocument plan_template read_plan",
    "runner.engine.evaluate": "Evaluation evaluate_file",
    "runner.engine.notify": "call_once",
    "runner.engine.verify": "VerifyReport verify",
    "runner.errors": "ControlRefused EngineGone PilotError PlanError RunError format_problems",
    "runner.hook": "Called",
    "runner.importing": "Imported import_logs",
    "runner.past.charts": "Figures Heat figures",
    "runner.past.glance": "Glance glances",
    "runner.past.history": "Cursor History Mark incidents_of",
    "runner.past.mishaps": "Mishap Mishaps",
    "runner.past.notebook": "events run state",
    "runner.past.reading": (
        "Reading ask_ping end_of present read_run read_state state_word task_results"
    ),
    "runner.past.table": "ResultList ResultRow result_list results",
    "runner.past.tail": "AttemptTail Bodies Tail events_named events_of follow",
    "runner.past.until": "IncidentsUntil",
    "runner.rehearse": "Script ScriptError serve",
    "runner.report.groups": "Unscored summary",
    "runner.report.judged": "judged run_names stacked",
    "runner.report.phases": "phase_frame phase_tables phase_text",
    "runner.report.text": "Format grid long_form parquet_bytes side_by_side summary_text",
    "runner.runs": "RunInfo engine_alive engine_pid find_run home_folder list_runs runs_folder",
    "runner.start.demo": "Demo Surprise start_demo surprises",
    "runner.start.demo_local": "start_local_demo unscored",
    "runner.start.launching": "launch resume_run",
    "runner.start.leaving": "LogoutWarning logout_warning",
    "runner.start.probing": "Probe probe_plan probe_words",
    "runner.start.wrap": "start_wrap",
}
_LAZY: Final = {name: home for home, names in _HOMES.items() for name in names.split()}


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
    "Called",
    "Control",
    "ControlRefused",
    "Cursor",
    "Demo",
    "Diagnosis",
    "Ended",
    "EndpointState",
    "EngineGone",
    "EngineSeen",
    "Evaluation",
    "Figures",
    "ForeignDiagnosis",
    "Format",
    "Glance",
    "Heat",
    "History",
    "HostState",
    "Imported",
    "Incident",
    "IncidentsUntil",
    "LogoutWarning",
    "Mark",
    "Mishap",
    "Mishaps",
    "Outlook",
    "PilotError",
    "Plan",
    "PlanDocument",
    "PlanError",
    "Probe",
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
    "Unscored",
    "Verdict",
    "VerifyReport",
    "WorkerState",
    "ZombieState",
    "apply",
    "ask_ping",
    "backing_off",
    "block",
    "call_once",
    "command",
    "copy_state",
    "count",
    "diagnose",
    "diagnose_matching",
    "diagnose_pids",
    "diagnosis_words",
    "doing",
    "duration",
    "elapsed_s",
    "end_of",
    "end_processes",
    "endpoint_key",
    "engine_alive",
    "engine_pid",
    "eta_s",
    "ev",
    "evaluate_file",
    "events",
    "events_named",
    "events_of",
    "figures",
    "find_run",
    "fold",
    "follow",
    "foreign_markdown",
    "foreign_words",
    "format_problems",
    "glances",
    "grid",
    "health",
    "home_folder",
    "idle_trees",
    "import_logs",
    "incident_words",
    "incidents_of",
    "is_scored",
    "judged",
    "latency",
    "launch",
    "limits_of",
    "list_runs",
    "logout_warning",
    "long_form",
    "model_workers",
    "not_scored",
    "one_line",
    "outlook",
    "parquet_bytes",
    "phase_frame",
    "phase_tables",
    "phase_text",
    "plan_template",
    "plural",
    "present",
    "probe_plan",
    "probe_words",
    "productive",
    "quantile",
    "read_plan",
    "read_run",
    "read_state",
    "result_list",
    "results",
    "resume_run",
    "rows_json",
    "run",
    "run_elapsed_s",
    "run_names",
    "run_state",
    "runs_folder",
    "serve",
    "side_by_side",
    "silent_s",
    "size",
    "stacked",
    "stalled_s",
    "start_demo",
    "start_local_demo",
    "start_wrap",
    "state",
    "state_word",
    "status",
    "summary",
    "summary_text",
    "surprises",
    "task_results",
    "tasks_per_s",
    "troubles",
    "unscored",
    "verdict",
    "verify",
    "watch_of",
    "why",
]
