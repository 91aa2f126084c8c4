"""The rules that look at several keys of a plan at once.

Apart from the schema because each has a reason of its own. Every function takes the sound part of
the plan, in which any key may be missing, and adds to the findings.
"""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from runner.core.plan import Resources, RunSection, Watch
from runner.engine.config.findings import Findings, as_list, as_table, describe, nearest
from runner.engine.config.lines import Path
from runner.engine.config.resolve import endpoints_of, limits_of, watch_of
from runner.engine.config.schema import Check, choice, is_number, number
from runner.engine.config.secrets import secret_keys, url_secret
from runner.engine.tasks import label_text

_SET_BY_US: Final = ("model", "messages")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_RESERVED_LABELS: Final = ("instance", "id", "model")
_FLAWS: Final = (
    *("sequence_disorder", "tool_misuse", "parameter_error", "missing_step"),
    *("redundant_operations", "logical_inconsistency", "semantic_drift"),
)
_BENCH_LABELS: Final[Mapping[str, Check]] = {
    "prompt_type": choice(
        "baseline", "cot", "optimal", "flawed", *(f"flawed_{flaw}" for flaw in _FLAWS)
    ),
    "flaw": choice(*_FLAWS),
    "severity": choice("light", "medium", "severe"),
    "task_type": choice(
        "simple_task", "basic_task", "data_pipeline", "api_integration", "multi_stage_pipeline"
    ),
    "difficulty": choice("very_easy", "easy", "medium", "hard", "very_hard"),
    "tool_success_rate": number(0, 1),
}
"""What the interactive executor knows of a label; other labels may hold anything."""
_LABEL_CHARS: Final = re.compile(r"[\w.-]+")
_MAX_TASKS: Final = 10**9


def check_endpoints(plan: Mapping[str, Any], findings: Findings) -> None:
    """Names once each, a real URL, one way to a key, and what Azure needs."""
    _check_names_once("endpoints", plan, findings)
    used = {name for model in as_list(plan.get("models")) for name in endpoints_of(model)}
    for index, endpoint in enumerate(as_list(plan.get("endpoints"))):
        path: Path = ("endpoints", index)
        _check_url(endpoint, path, findings)
        if "api_key_env" in endpoint and "api_key_command" in endpoint:
            findings.problem(
                (*path, "api_key_command"), "stands beside api_key_env: only one can be meant"
            )
        if endpoint.get("kind") == "azure" and "api_version" not in endpoint:
            findings.problem(
                (*path, "api_version"), 'missing: kind = "azure" needs it', 'e.g. "2024-10-21"'
            )
        if endpoint.get("kind", "openai") == "openai" and "api_version" in endpoint:
            findings.warning((*path, "api_version"), 'only used with kind = "azure"')
        if "name" in endpoint and used and endpoint["name"] not in used:
            findings.warning(path, "no model uses this endpoint")


def _check_url(endpoint: Mapping[str, Any], path: Path, findings: Findings) -> None:
    url: object = endpoint.get("base_url")
    if not isinstance(url, str):
        return
    place: Path = (*path, "base_url")
    secret = url_secret(url)
    if secret:
        findings.problem(
            place, f"carries {secret}", "put the key in a variable and name it in api_key_env"
        )
        return
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        findings.problem(place, "is not a URL")
        return
    if not good or not url.isprintable() or " " in url:
        findings.problem(place, f"must be an http or https URL, not {describe(url)}")
    elif not {"api_key_env", "api_key_command"} & endpoint.keys() and (
        parts.hostname not in _LOOPBACK
    ):
        findings.warning(path, "no api_key_env or api_key_command: requests will carry no key")


def check_models(plan: Mapping[str, Any], findings: Findings) -> None:
    """Names once each, endpoints that exist, params without secrets or what the runner sets."""
    _check_names_once("models", plan, findings)
    endpoints = [
        endpoint["name"] for endpoint in as_list(plan.get("endpoints")) if "name" in endpoint
    ]
    models = as_list(plan.get("models"))
    for index, model in enumerate(models):
        path: Path = ("models", index)
        for wanted in endpoints_of(model):
            if endpoints and wanted not in endpoints:
                findings.problem(
                    (*path, "endpoint"),
                    f"no endpoint is {describe(wanted)}",
                    nearest(wanted, endpoints),
                )
        _check_deployments(model, (*path, "deployments"), findings)
        params = as_table(model.get("params"))
        for inner in secret_keys(params):
            findings.problem(
                (*path, "params", *inner),
                "a key may not stand in a plan",
                "put it in an environment variable and name that in the endpoint's api_key_env",
            )
        for key in _SET_BY_US:
            if key in params:
                findings.problem((*path, "params", key), "is set by the runner for each call")
    _check_model_names_differ_as_suffix(models, findings)


def _check_deployments(model: Mapping[str, Any], path: Path, findings: Findings) -> None:
    """With ``name@endpoint`` for all of them, an endpoint may be left without any."""
    names = [str(name) for name in as_list(model.get("deployments"))]
    for endpoint in endpoints_of(model) if names else []:
        others = [f"@{other}" for other in endpoints_of(model) if other != endpoint]
        if all(name.endswith(tuple(others)) for name in names):
            findings.problem(path, f"none of them is on endpoint {describe(endpoint)}")


def _check_model_names_differ_as_suffix(models: list[Any], findings: Findings) -> None:
    """``a@b`` beside ``b`` would make two tasks of one id: ``x@a`` under b, ``x`` under a@b."""
    names = [model.get("name", "") for model in models]
    for index, name in enumerate(names):
        if any(other and name.endswith(f"@{other}") for other in names):
            findings.problem(
                ("models", index, "name"),
                "ends in @ and another model's name: task ids would clash",
            )


def check_times(plan: Mapping[str, Any], findings: Findings) -> None:
    """Limits and thresholds of each model in an order that lets each one be seen."""
    models: list[tuple[Path, Mapping[str, Any]]] = [
        (("models", index), model) for index, model in enumerate(as_list(plan.get("models")))
    ]
    said: set[tuple[Path, str]] = set()

    def warn(model: Path, own: bool, key: Path, text: str) -> None:
        """Say it at the model if it has a value of its own, else once at the section."""
        place = (*model, *key) if own else key
        if (place, text) not in said:
            said.add((place, text))
            findings.warning(place, text)

    for path, model in models or [((), {})]:
        limits, watch = limits_of(plan, model), watch_of(plan, model)
        own_watch = bool(model.get("watch") or model.get("reasoning"))
        for name, limit in (("first_byte", limits.first_byte), ("idle", limits.idle)):
            if watch.stuck_after >= limit:
                warn(
                    path,
                    own_watch,
                    ("watch", "stuck_after"),
                    f"{watch.stuck_after:g} is not below {name} = {limit:g}: "
                    "hangs would end before they are shown",
                )
        if watch.slow_after >= watch.stuck_after:
            warn(
                path,
                own_watch,
                ("watch", "slow_after"),
                f"{watch.slow_after:g} is not below stuck_after = {watch.stuck_after:g}: "
                "nothing will be shown as slow",
            )
        if limits.call > limits.attempt:
            warn(
                path,
                bool(model.get("limits") or model.get("reasoning")),
                ("limits", "call"),
                f"{limits.call:g} is above attempt = {limits.attempt:g}: it can never be reached",
            )


def check_heartbeat(plan: Mapping[str, Any], findings: Findings) -> None:
    """A host must be able to miss one heartbeat without being taken for frozen."""
    watch, resources = as_table(plan.get("watch")), as_table(plan.get("resources"))
    heartbeat = watch.get("heartbeat", Watch().heartbeat)
    freeze = resources.get("freeze_after", Resources().freeze_after)
    if freeze < 2 * heartbeat:
        own = "freeze_after" in resources
        findings.problem(
            ("resources", "freeze_after") if own else ("watch", "heartbeat"),
            f"freeze_after = {freeze:g} is under two heartbeats of {heartbeat:g}: "
            "healthy processes would be ended",
        )


def check_workers(plan: Mapping[str, Any], findings: Findings) -> None:
    """Worker counts that fit each other."""
    workers = as_table(plan.get("run")).get("workers", RunSection().workers)
    resources = as_table(plan.get("resources"))
    if resources.get("min_workers", 1) > workers:
        findings.problem(("resources", "min_workers"), f"is above run.workers = {workers}")
    hosts = resources.get("hosts", "auto")
    if hosts != "auto" and hosts > workers:
        findings.warning(("resources", "hosts"), f"is above run.workers = {workers}")
    shares = [model.get("workers", 0) for model in as_list(plan.get("models"))]
    if shares and all(shares) and sum(shares) < workers:
        findings.warning(
            ("run", "workers"),
            f"{workers}, but the models allow {sum(shares)} together: the others stay idle",
        )


def check_tasks(plan: Mapping[str, Any], findings: Findings) -> None:
    """What each executor needs, and the matrix."""
    tasks = as_table(plan.get("tasks"))
    executor = tasks.get("executor")
    if executor in ("python", "command") and not tasks.get("source"):
        findings.problem(("tasks", "source"), "missing: the file with one task a line")
    for key, owner in (("entry", "python"), ("argv", "command"), ("tools", "interactive")):
        if executor == owner and key not in tasks and key != "tools":
            findings.problem(("tasks", key), f'missing: executor = "{owner}" needs it')
        if executor not in (None, owner) and tasks.get(key):
            findings.warning(("tasks", key), f'only used with executor = "{owner}"')
    _check_matrix(as_table(tasks.get("matrix")), executor == "interactive", findings)


def _check_matrix(matrix: Mapping[str, Any], interactive: bool, findings: Findings) -> None:
    size = 1
    for label, values in matrix.items():
        path: Path = ("tasks", "matrix", label)
        if label == "instances":
            if (
                not is_number(values)
                or not isinstance(values, int)
                or not 1 <= values <= _MAX_TASKS
            ):
                findings.problem(
                    path, f"must be a whole number of at least 1, not {describe(values)}"
                )
            else:
                size *= values
            continue
        if label in _RESERVED_LABELS or not _LABEL_CHARS.fullmatch(label):
            findings.problem(path, "cannot be the name of a label")
        items = as_list(values)
        if not items:
            findings.problem(path, f"must be a list of values, not {describe(values)}")
            continue
        size *= len(items)
        _check_values(label, items, interactive, findings)
    if size > _MAX_TASKS:
        findings.problem(("tasks", "matrix"), f"makes more than {_MAX_TASKS} cells")


def _check_values(label: str, items: list[Any], interactive: bool, findings: Findings) -> None:
    seen: set[str] = set()
    for index, item in enumerate(items):
        path: Path = ("tasks", "matrix", label, index)
        if not isinstance(item, bool | str) and not is_number(item):
            findings.problem(path, f"must be a text, a number, true or false, not {describe(item)}")
            continue
        if isinstance(item, str) and (not item or not item.isprintable()):
            findings.problem(path, "must be a printable text")
        if label_text(item) in seen:
            findings.problem(path, f"{describe(item)} stands twice")
        seen.add(label_text(item))
        complaint = _BENCH_LABELS[label](item) if interactive and label in _BENCH_LABELS else None
        if complaint is not None:
            findings.problem(path, *complaint)


def _check_names_once(section: str, plan: Mapping[str, Any], findings: Findings) -> None:
    seen: set[str] = set()
    for index, element in enumerate(as_list(plan.get(section))):
        name = element.get("name")
        if name is not None and name in seen:
            findings.problem((section, index, "name"), f"{describe(name)} stands twice")
        if name is not None:
            seen.add(name)
