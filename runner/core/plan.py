"""The plan after it was read and checked: every default filled in, every model resolved.

Apart from the reader (`runner.engine.config`) because hosts, fold and policy use the result and
never the file. It holds names of key variables, never a key, so it may stand in the log.
"""

from typing import Any, Literal, NamedTuple

from msgspec import Struct


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A table of the plan. Fields that a newer version added are ignored by an older reader."""


class RunSection(Section, frozen=True):
    """``[run]``."""

    name: str = "run"
    workers: int = 10
    seed: int = 0
    order: Literal["interleaved", "by-model"] = "interleaved"
    max_attempts: int = 2
    start_interval: float = 0.05


class Limits(Section, frozen=True):
    """``[limits]``: seconds, each above 0, but for ``turns`` and ``retries``, which count."""

    connect: float = 5
    first_byte: float = 30
    idle: float = 30
    call: float = 120
    prepare: float = 300
    score: float = 60
    attempt: float = 300
    run: float = 28800
    turns: int = 10
    retries: int = 5
    retry_wait: float = 60
    retry_total: float = 180
    retry_on: tuple[str, ...] = ("rate_limit", "server", "connection")


class Watch(Section, frozen=True):
    """``[watch]``: when silence is shown, and how often hosts report. Seconds."""

    slow_after: float = 8
    stuck_after: float = 15
    heartbeat: float = 0.5


class Stop(Section, frozen=True):
    """``[stop]``: the brakes. 0 switches one off."""

    error_rate: float = 0.5
    over: int = 30
    tokens: int = 0
    cost: float = 0


LoopAction = Literal["kill", "warn", "off"]


class Loops(Section, frozen=True):
    """``[loops]``, resolved for the executor: what each rule does when it fires."""

    repeat: LoopAction = "off"
    cycle: LoopAction = "off"
    search: LoopAction = "off"
    unclosed_tag: LoopAction = "off"
    no_action: LoopAction = "off"
    done: LoopAction = "off"


INTERACTIVE_LOOPS = Loops(
    repeat="kill", cycle="kill", search="kill", unclosed_tag="kill", no_action="warn", done="kill"
)


class Resources(Section, frozen=True):
    """``[resources]``: how many hosts, and when one is frozen or too large."""

    isolation: Literal["thread", "process"] = "thread"
    hosts: int | Literal["auto"] = "auto"
    freeze_after: float = 5
    max_memory_percent: float = 85
    max_host_memory_mb: float = 0
    adaptive: bool = False
    min_workers: int = 1


class Notify(Section, frozen=True):
    """``[notify]``: programs that call a person, with JSON on their standard input."""

    on_trouble: tuple[str, ...] = ()
    on_end: tuple[str, ...] = ()


class Endpoint(Section, frozen=True):
    """One of ``[[endpoints]]``. Keys are named by variable or command and never held here."""

    name: str
    base_url: str
    api_key_env: str = ""
    api_key_command: tuple[str, ...] = ()
    kind: Literal["openai", "azure"] = "openai"
    api_version: str = ""
    qps: float = 0
    max_in_flight: int = 0
    task_header: str = ""
    """A header that carries the task id (percent-encoded) with each request, for gateways and the
    rehearsal endpoint, which must know whose request it is; none unless the plan names one."""


class Price(Section, frozen=True, rename={"in_": "in"}):
    """Money per million tokens, in the user's currency."""

    in_: float = 0
    out: float = 0


class Place(NamedTuple):
    """A deployment on an endpoint."""

    endpoint: str
    deployment: str


class Model(Section, frozen=True):
    """One of ``[[models]]``, with the limits and thresholds that bind it filled in.

    ``endpoint`` is the first of the places that serve it, ``more_endpoints`` the others.
    """

    name: str
    endpoint: str
    deployments: tuple[str, ...]
    more_endpoints: tuple[str, ...] = ()
    workers: int = 0
    reasoning: bool = False
    params: dict[str, Any] = {}
    price: Price = Price()
    limits: Limits = Limits()
    watch: Watch = Watch()

    @property
    def endpoints(self) -> tuple[str, ...]:
        """All endpoints that serve the model."""
        return (self.endpoint, *self.more_endpoints)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it is served, in the order of the plan.

        Each deployment is on each endpoint, but for one that says ``deployment@endpoint``.
        """
        return tuple(
            Place(endpoint, name)
            for endpoint in self.endpoints
            for name, only in map(self._split, self.deployments)
            if only in {"", endpoint}
        )

    def _split(self, deployment: str) -> tuple[str, str]:
        """The name, and the one endpoint it is on: an @ may be part of a name (``model@001``)."""
        name, _, endpoint = deployment.rpartition("@")
        return (name, endpoint) if name and endpoint in self.endpoints else (deployment, "")


class Tasks(Section, frozen=True):
    """``[tasks]``. ``matrix`` maps a label to its values. Files are absolute paths or empty.

    ``instances`` counts the runs of each cell, numbered from 1 by the label ``instance``; 0, the
    default, means one run without that label.
    """

    executor: Literal["interactive", "python", "command", "wrap"]
    source: str = ""
    tools: str = ""
    entry: str = ""
    argv: tuple[str, ...] = ()
    python: str = ""
    protocol: Literal["tags", "functions"] = "tags"
    matrix: dict[str, list[str | int | float | bool]] = {}
    instances: int = 0


class Plan(Section, frozen=True):
    """A whole plan, ready to run."""

    run: RunSection
    limits: Limits
    watch: Watch
    stop: Stop
    loops: Loops
    resources: Resources
    endpoints: tuple[Endpoint, ...]
    models: tuple[Model, ...]
    tasks: Tasks
    notify: Notify = Notify()

    def model(self, name: str) -> Model:
        """The model of that name; ``KeyError`` if the plan has none."""
        for model in self.models:
            if model.name == name:
                return model
        raise KeyError(name)

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name; ``KeyError`` if the plan has none."""
        for endpoint in self.endpoints:
            if endpoint.name == name:
                return endpoint
        raise KeyError(name)

    @property
    def is_wrap(self) -> bool:
        """Whether a foreign script makes the calls: each is a task, and nobody knows how many."""
        return self.tasks.executor == "wrap"

    def slots_per_host(self) -> int:
        """How many slots a host has: 1 with processes, else as ``hosts`` divides the workers.

        ``auto`` is at most 10: a freeze then costs at most 9 innocents their attempt.
        """
        if self.resources.isolation == "process":
            return 1
        if self.resources.hosts == "auto":
            return AUTO_SLOTS
        return max(1, -(-self.run.workers // self.resources.hosts))


AUTO_SLOTS = 10


class Task(Struct, frozen=True, kw_only=True):
    """One task of a run: a line of the source under one model and one cell of the matrix."""

    task_id: str
    id: str
    model: str
    labels: dict[str, str | int | float | bool] = {}
    data: dict[str, Any] = {}
