"""One plan shared between runs, and a model served by several deployments."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from support.running import Project, checked

from runner.core import events as ev
from runner.rehearse import Rehearsal, Script
from runner.runs import about

OK = Script.decode(b'default = "ok,agent=competent,latency=0.02"', toml=True)
DEPLOYMENTS = """
[run]
workers = 6
start_interval = 0
[[endpoints]]
name = "here"
base_url = "{base_url}"
task_header = "x-pilot-task"
[[models]]
name = "m"
endpoint = "here"
deployments = ["m-1", "m-2", "m-3"]
[tasks]
executor = "interactive"
[tasks.matrix]
difficulty = ["easy"]
prompt_type = ["optimal", "baseline"]
"""

TWO_KEYS = """
[run]
workers = 6
start_interval = 0
[[endpoints]]
name = "first"
base_url = "{base_url}"
[[endpoints]]
name = "second"
base_url = "{base_url}"
[[endpoints]]
name = "refused"
base_url = "{refused_url}"
[[models]]
name = "m"
endpoint = ["first", "second", "refused"]
[tasks]
executor = "interactive"
[tasks.matrix]
difficulty = ["easy"]
prompt_type = ["optimal", "baseline"]
"""


@pytest.fixture
def project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("OPENAI_API_KEY", "none-of-ours")
    return project


def test_a_ready_plan_in_two_shares_is_the_whole_plan(project: Project) -> None:
    with Rehearsal.start(OK) as server:
        settings = {
            "models": "qwen-a",
            "endpoints.main.base_url": f'"{server.base_url}"',
            "run.start_interval": "0",
        }
        seen: list[str] = []
        for part in (1, 2):
            run = project.launch(Path("pilot:5.1"), overrides=settings, shard=(part, 2))
            state = run.ended()
            assert (state.status, state.tasks_total) == ("finished", 10)
            found = about(run.dir)
            assert found is not None
            assert found.shard == (part, 2)
            checked(run)
            seen += run.rows()["task_id"].to_list()
    assert len(seen) == len(set(seen)) == 20


def test_a_share_that_was_stopped_goes_on_as_that_share(project: Project) -> None:
    with Rehearsal.start(OK) as server:
        settings = {
            "models": "qwen-a",
            "endpoints.main.base_url": f'"{server.base_url}"',
            "run.workers": "2",
            "run.start_interval": "0",
        }
        os.kill(server.pid, signal.SIGSTOP)  # so that nothing is over before it is stopped
        run = project.launch(Path("pilot:5.1"), overrides=settings, shard=(2, 2))
        run.until(lambda state: len(state.owner) == 2)
        run.ask("stop")
        assert run.ended().status == "stopped"
        os.kill(server.pid, signal.SIGCONT)
        state = project.resume(run).ended()
        assert (state.status, len(state.done), state.tasks_total) == ("finished", 10, 10)
        checked(run)


def test_deployments_share_the_work_and_count_as_their_model(project: Project) -> None:
    with Rehearsal.start(OK) as server:
        plan = project.folder / "plan.toml"
        plan.write_text(DEPLOYMENTS.format(base_url=server.base_url))
        run = project.launch(plan)
        run.ended()
        calls = server.stats()["calls"]
    rows = run.rows()
    assert set(rows["model"]) == {"m"}
    used = Counter(rows["deployment"].to_list())
    assert set(used) == set(calls) == {"m-1", "m-2", "m-3"}
    assert min(used.values()) >= 40 // 3 - 6, used
    busy: Counter[str] = Counter()
    deployment: dict[str, str] = {}
    for event in run.events():
        if isinstance(event, ev.AttemptStarted):
            deployment[event.attempt_id] = event.deployment
            busy[event.deployment] += 1
            others = [busy[name] for name in used]
            assert busy[event.deployment] - 1 == min(
                count - (name == event.deployment) for name, count in zip(used, others, strict=True)
            ), "the least busy one is taken"
        elif isinstance(event, ev.AttemptEnded):
            busy[deployment[event.attempt_id]] -= 1
    checked(run)


def test_a_model_goes_on_with_its_other_keys_where_one_is_refused(project: Project) -> None:
    with Rehearsal.start(OK) as server:
        plan = project.folder / "plan.toml"
        plan.write_text(
            TWO_KEYS.format(base_url=server.base_url, refused_url=server.url_for("401"))
        )
        run = project.launch(plan)
        state = run.ended()
    assert (state.status, len(state.done)) == ("finished", 40)
    assert set(state.done.values()) <= {"passed", "partial", "failed", "errored"}
    paused = run.of(ev.EndpointPaused)
    assert {event.endpoint for event in paused} == {"refused"}
    scored = run.rows().filter(run.rows()["score"].is_not_null())
    used = Counter(scored["endpoint"].to_list())
    assert set(used) == {"first", "second"}
    assert min(used.values()) >= 10, used
    checked(run)
