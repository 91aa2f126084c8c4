"""What a person is told of a worker that does not move."""

import pytest
from support.story import Story

from runner.core import events as ev
from runner.core.outcomes import LIMITS, PHASES
from runner.core.why import (
    CALLS_FOR_USUAL,
    DOING,
    LIMIT_SHORT,
    LIMIT_WORDS,
    doing,
    quantile,
    why,
)


@pytest.fixture
def story() -> Story:
    found = Story()
    found.starts_host()
    return found


def told(story: Story, later: float = 0.0) -> str:
    return why(story.state, story.worker(), story.at + later)


def test_each_phase_and_each_limit_has_a_word() -> None:
    assert set(DOING) == set(PHASES)
    assert set(LIMIT_WORDS) == set(LIMIT_SHORT) == set(LIMITS)


def test_an_idle_worker_needs_no_reason(story: Story) -> None:
    assert told(story) == ""
    assert doing(story.worker()) == "idle"


def test_no_byte_yet_beside_what_is_usual_here(story: Story) -> None:
    attempt = story.runs()
    story.calls(attempt)
    assert told(story) == "no byte yet"
    story.answers(attempt, CALLS_FOR_USUAL, wait_s=0.0, latency_s=1.5)
    story.calls(attempt, n=CALLS_FOR_USUAL + 1)
    assert told(story) == "no byte yet; p95 here 1.5s"
    assert told(story, 301) == "no byte yet"


def test_a_drip_is_named(story: Story) -> None:
    story.calls(story.runs())
    story.now = 20
    story.signs("stream", since=19, sign=0.1, progress=20)
    assert told(story) == "only keep-alives for 20s"
    story.now = 60
    assert told(story) == "stream stalled after 10 B"


def test_a_back_off_says_whose_fault_which_try_and_when(story: Story) -> None:
    attempt = story.runs()
    story.emit(
        ev.BackedOff(
            attempt_id=attempt,
            worker=0,
            n=1,
            attempt_no=2,
            attempts=6,
            until=story.at + 31,
            why="rate_limit",
        )
    )
    assert told(story, 1) == "429 from e, try 2 of 6, next in 30s"


def test_a_tool_that_waits_for_a_process_names_it(story: Story) -> None:
    attempt = story.runs()
    story.emit(ev.ToolStarted(attempt_id=attempt, worker=0, tool="bash", detail="make test"))
    assert doing(story.worker()) == "tool bash"
    assert told(story) == "make test"
    story.emit(
        ev.ChildChanged(
            attempt_id=attempt, worker=0, pid=77, born=1, command="make\x1b[2J test", running=True
        )
    )
    assert told(story) == "waits for pid 77: make\ufffd[2J test"


@pytest.mark.parametrize(
    ("cpu", "waits_for", "expected"),
    [
        (1.0, "", "busy at agent.py:7 run"),
        (0.0, "lock", "waiting for a lock at agent.py:7 run"),
        (0.0, "sleep", "sleeping at agent.py:7 run"),
        (0.0, "", "waiting at agent.py:7 run"),
    ],
)
def test_own_code_is_told_from_its_frame(
    story: Story, cpu: float, waits_for: str, expected: str
) -> None:
    attempt = story.runs()
    story.emit(
        ev.Sampled(
            attempt_id=attempt,
            worker=0,
            cpu=cpu,
            state="S",
            frame="agent.py:7 run",
            waits_for=waits_for,
        )
    )
    assert told(story) == expected


def test_a_frozen_host_is_the_reason_whatever_the_phase(story: Story) -> None:
    story.calls(story.runs())
    story.now = 10
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    assert told(story, 2) == "its process 0 does not answer since 3s"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            ev.HostExamined(host=0, worker=0, frame="agent.py:7 run"),
            "holding the GIL at agent.py:7 run",
        ),
        (
            ev.HostExamined(host=0, worker=3, frame="a\x1b.py:7 run"),
            "waiting for worker 3, which holds the GIL at a\ufffd.py:7 run",
        ),
        (ev.HostExamined(host=0, worker=0), "holding the GIL"),
        (ev.HostExamined(host=0, stopped=True), "its process 0 was stopped by a signal 3s ago"),
    ],
    ids=["the culprit", "its neighbour", "no place known", "SIGSTOP"],
)
def test_a_look_from_outside_names_who_holds_the_others_up(
    story: Story, found: ev.HostExamined, expected: str
) -> None:
    story.calls(story.runs())
    story.now = 10
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    story.emit(found)
    assert told(story, 2) == expected
    story.emit(ev.HostRecovered(host=0))
    assert told(story, 2) == "no byte yet"
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    assert "does not answer" in told(story, 2)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 3.0), (0.95, 5.0), (1.0, 5.0)])
def test_quantile(share: float, expected: float) -> None:
    assert quantile([(0, 5.0), (0, 1.0), (0, 3.0), (0, 2.0), (0, 4.0)], share) == expected
    assert quantile([], share) is None


def test_a_wait_that_is_usual_here_is_called_so_and_only_that(story: Story) -> None:
    attempt = story.runs()
    story.answers(attempt, CALLS_FOR_USUAL, wait_s=9.0, latency_s=60.0)
    story.calls(attempt, n=CALLS_FOR_USUAL + 1)
    assert told(story, 8) == "usual here: p95 9.0s"
    assert told(story, 10) == "no byte yet; p95 here 1m00s"


def test_a_few_calls_do_not_say_what_is_usual(story: Story) -> None:
    attempt = story.runs()
    story.answers(attempt, CALLS_FOR_USUAL - 1, wait_s=9.0, latency_s=60.0)
    story.calls(attempt, n=CALLS_FOR_USUAL)
    assert told(story, 8) == "no byte yet"
    story.answers(attempt, 1, wait_s=9.0, latency_s=60.0)
    story.calls(attempt, n=CALLS_FOR_USUAL + 1)
    assert told(story, 8) == "usual here: p95 9.0s"
