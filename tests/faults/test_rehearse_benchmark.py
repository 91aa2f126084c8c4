"""Scripted agents against the real benchmark executor, over the real endpoint.

What the demo promises of each agent is checked here with the executor's own parser, tools and
score and the engine's own loop rules; only the attempt around them is this file's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import msgspec
import openai
import pytest

from runner.core.loops import LoopDetector, TurnFeatures
from runner.core.plan import INTERACTIVE_LOOPS
from runner.engine.config import read_plan
from runner.host.bench import executor, library
from runner.host.bench.chat import ContentFilter
from runner.rehearse import Rehearsal, Script, demo


class Task:
    """A source line."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.id = data["id"]
        self.data = data


class Attempt:
    """As much of an attempt as the executor needs; stops turns where the loop rules kill."""

    max_turns = 10
    tools_path = None
    ends_when_done = True
    params: Mapping[str, Any] = {}

    def __init__(
        self, url: str, task: Task, protocol: Literal["tags", "functions"] = "tags"
    ) -> None:
        self.client = openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10)
        self.model = "m"
        self.seed = 11
        self.protocol = protocol
        self.labels: Mapping[str, Any] = task.data["labels"]
        self.turns: list[TurnFeatures] = []
        self.killed = ""
        self._detector = LoopDetector(INTERACTIVE_LOOPS)

    def label(self, name: str, default: Any, /) -> Any:
        return self.labels.get(name, default)

    @contextmanager
    def turn(self) -> Iterator["Attempt"]:
        yield self

    def features(self, features: TurnFeatures, /) -> None:
        self.turns.append(features)
        for finding in self._detector.feed(len(self.turns), features):
            if finding.action == "kill" and finding.rule != "done" and not self.killed:
                self.killed = f"loop:{finding.rule}"

    def tool(self, name: str, /, **args: object) -> "nullcontext[Attempt]":
        return nullcontext(self)

    def failed(self, error: str, /) -> None: ...

    def say(self, role: str, text: str, /) -> None: ...

    def check(self) -> None:
        if self.killed:
            raise InterruptedError(self.killed)

    def log(self, text: str, /) -> None: ...


def ended(attempt: Attempt, task: Task) -> tuple[str, str]:
    """(outcome, cause) of the attempt, by the executor's score or the loop rules."""
    context: Any = attempt
    executor.prepare(task, context)
    try:
        result = executor.run(task, context)
    except InterruptedError:
        return "looped", attempt.killed
    except ContentFilter as error:
        return "errored", f"error:{type(error).__name__}"
    return str(executor.score(task, context, result)["outcome"]), ""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Rehearsal]:
    with Rehearsal.start(Script(default="ok,latency=0")) as rehearsal:
        yield rehearsal


def demo_task(number: int) -> Task:
    return Task(msgspec.json.decode(demo.demo_tasks().splitlines()[number - 1]))


@pytest.mark.parametrize(
    ("agent", "outcome", "cause", "turns"),
    [
        ("competent", "passed", "", None),
        ("linger", "passed", "", None),
        ("partial", "partial", "", None),
        ("loop", "looped", "loop:repeat", 4),
        ("cycle", "looped", "loop:cycle", 4),
        ("wander", "looped", "loop:search", 8),
        ("unclosed", "looped", "loop:unclosed_tag", 3),
        ("chat", "failed", "", 10),
    ],
)
def test_each_agent_ends_as_it_should(
    endpoint: Rehearsal, agent: str, outcome: str, cause: str, turns: int | None
) -> None:
    task = demo_task(19)
    attempt = Attempt(endpoint.url_for(f"ok,latency=0,agent={agent}"), task)
    assert ended(attempt, task) == (outcome, cause)
    assert turns is None or len(attempt.turns) == turns


def test_competent_passes_every_kind_of_task_by_tags_and_by_functions(endpoint: Rehearsal) -> None:
    for number in range(1, 6):
        task = demo_task(number)
        assert ended(Attempt(endpoint.base_url, task), task)[0] == "passed"
        assert ended(Attempt(endpoint.base_url, task, "functions"), task)[0] == "passed"


@pytest.mark.parametrize("agent", ["loop", "cycle", "wander"])
def test_loops_are_loops_by_functions_too(endpoint: Rehearsal, agent: str) -> None:
    task = demo_task(19)
    url = endpoint.url_for(f"ok,latency=0,agent={agent}")
    assert ended(Attempt(url, task, "functions"), task)[0] == "looped"


def test_competent_passes_the_built_in_tasks(endpoint: Rehearsal) -> None:
    """Low tool success makes it try again; with ten turns nine of ten tasks must still pass."""
    lines = library.BUILT_IN_TASKS.read_bytes().splitlines()[::10]
    tasks = [
        Task({**msgspec.json.decode(line), "labels": demo_task(1).data["labels"]}) for line in lines
    ]
    outcomes = [ended(Attempt(endpoint.base_url, task), task)[0] for task in tasks]
    assert outcomes.count("passed") >= 0.9 * len(tasks)


# ------------------------------------------------------------------------------------ demo


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_the_demo_plan_is_a_plan_of_sixty_tasks(tmp_path: Path, quick: bool) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(demo.demo_plan("http://127.0.0.1:1/v1", quick=quick))
    (tmp_path / "tasks.jsonl").write_text(demo.demo_tasks())
    document = read_plan(plan)
    assert not document.warnings
    assert document.plan.run.workers == 12
    assert document.plan.watch.slow_after == 2
    assert document.plan.watch.stuck_after == 5
    tools = library.load_tools(None)
    assert len(library.load_tasks(str(tmp_path / "tasks.jsonl"), tools)) == 30
    assert len(demo.expected(quick=quick)) == 60


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_the_demo_script_knows_only_tasks_and_outcomes_of_the_demo(quick: bool) -> None:
    wanted = demo.expected(quick=quick)
    script = demo.demo_script(quick=quick)
    assert set(script.tasks) <= set(wanted)
    assert {outcome for outcome, _ in wanted.values()} == {
        "passed",
        "partial",
        "failed",
        "looped",
        "timed_out",
        "errored",
    }
    assert sum(cause.startswith("deadline:") for _, cause in wanted.values()) >= 3


def test_scripted_tasks_of_the_demo_that_need_no_clock_end_as_expected() -> None:
    """Everything but hangs and retries, which need the runner's own limits."""
    wanted = demo.expected(quick=True)
    script = demo.demo_script(quick=True)
    instant = msgspec.structs.replace(
        script, tasks={task: f"{text},latency=0,tps=0" for task, text in script.tasks.items()}
    )
    with Rehearsal.start(instant) as rehearsal:
        for name, (outcome, cause) in wanted.items():
            kind = instant.behaviour("", name).kind
            if name not in script.tasks or kind not in {"ok", "content_filter"}:
                continue
            task = demo_task(int(name[5:7]))
            attempt = Attempt(rehearsal.base_url, task)
            attempt.client = attempt.client.with_options(default_headers={"x-pilot-task": name})
            assert ended(attempt, task) == (outcome, cause), name


def test_as_rehearsed_forgives_the_done_rule_and_the_newcomer() -> None:
    assert demo.as_rehearsed(("passed", ""), "passed", "loop:done")
    assert demo.as_rehearsed(("passed", ""), "killed", "killed:user")
    assert not demo.as_rehearsed(("passed", ""), "partial", "")
    assert not demo.as_rehearsed(("looped", "loop:cycle"), "looped", "loop:repeat")
