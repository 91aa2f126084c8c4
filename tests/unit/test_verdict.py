"""The one sentence at 03:00: what is loudest wins, and red is for people alone."""

from support.story import Story

from runner.core import events as ev
from runner.core.verdict import EngineSeen, Verdict, troubles, verdict
from runner.core.why import CALLS_FOR_USUAL

GONE = EngineSeen(alive=False)
SILENT = EngineSeen(silent_s=2.0)


def told(story: Story, later: float = 0.0, engine: EngineSeen | None = None) -> Verdict:
    return verdict(story.state, story.at + later, engine)


def test_nothing_to_do() -> None:
    story = Story()
    story.runs()
    assert told(story) == ("1 worker busy, all well. All results saved.", "calm")


def test_results_that_are_not_safe_yet_are_counted() -> None:
    story = Story()
    story.runs("t2", worker=1)
    story.ends(story.runs())
    assert told(story).text == "1 worker busy, all well. 1 result being saved."


def test_stuck_says_how_long_it_ends_by_itself() -> None:
    story = Story()
    story.calls(story.runs())
    story.runs("t2", worker=1)
    story.now = 20
    story.signs("code", worker=1)
    told_ = told(story)
    assert told_.text.startswith("1 STUCK for 20s; it ends by itself within 10s.")
    assert "1 of 2 work normally." in told_.text
    assert told_.alarm == "trouble"


def test_several_stuck_name_the_longest() -> None:
    story = Story()
    story.calls(story.runs())
    story.now = 5
    story.calls(story.runs("t2", worker=1), worker=1)
    story.now = 25
    assert told(story).text.startswith(
        "2 STUCK, the longest for 25s; both end by themselves within 10s."
    )


def test_slow_is_noticed_and_backing_off_is_said() -> None:
    story = Story()
    story.calls(story.runs())
    story.now = 9
    attempt = story.runs("t2", worker=1)
    story.emit(
        ev.BackedOff(
            attempt_id=attempt,
            worker=1,
            n=1,
            attempt_no=1,
            attempts=6,
            until=story.at + 50,
            why="server",
        )
    )
    assert told(story) == (
        "2 workers busy, 1 slow, 1 backing off. All results saved.",
        "notice",
    )
    assert [trouble.worker.worker for trouble in troubles(story.state, story.at)] == [0, 1]


def test_a_frozen_process_is_replaced_by_itself() -> None:
    story = Story()
    story.starts_host()
    story.runs()
    story.emit(ev.HostFroze(host=0, silent_s=1.5))
    assert told(story) == ("process 0 does not answer; it is replaced by itself", "trouble")


def test_rows_that_cannot_be_saved_need_a_person() -> None:
    story = Story()
    story.ends(story.runs())
    story.emit(ev.RowsFailed(error="No space\x1b[31m left", waiting=1))
    text, alarm = told(story)
    assert text == "NEEDS YOU: 1 result cannot be saved (No space\ufffd[31m left); none is lost"
    assert alarm == "needs_you"


def test_a_pause_by_a_person_is_calm_and_one_by_itself_is_not() -> None:
    story = Story()
    story.emit(ev.RunPaused(cause="user", text="by ann", origin="ann@pts/1"))
    assert told(story, 61) == ("PAUSED by ann@pts/1 for 1m01s: no new tasks are started", "notice")
    story = Story()
    story.emit(ev.RunPaused(cause="brake", text="16 of the last 30 attempts errored"))
    assert told(story).alarm == "needs_you"
    assert "16 of the last 30" in told(story).text


def test_an_engine_that_is_gone_or_silent_is_louder_than_all_else() -> None:
    story = Story()
    story.ends(story.runs())
    story.emit(ev.RowsFailed(error="full", waiting=1))
    assert told(story, engine=GONE).text.startswith("ENGINE GONE. 0 results safe.")
    assert told(story, engine=SILENT).text == "ENGINE SILENT 2s: numbers below are old"
    assert told(story, engine=EngineSeen(silent_s=1.59)).text.startswith("NEEDS YOU")


def test_the_end_sums_up_and_no_engine_is_missed_then() -> None:
    story = Story(tasks=4)
    for number, outcome in enumerate(["passed", "failed", "timed_out"]):
        story.saves(story.ends(story.runs(f"t{number}"), outcome))
    story.emit(ev.RunEnded(status="stopped", why="stopped by ann", exit_code=3))
    assert told(story, engine=GONE) == (
        "stopped: 2 of 4 tasks scored, 1 not scored, 1 not run (stopped by ann). 3 results saved.",
        "calm",
    )
    assert troubles(story.state, story.at + 1000) == []


def test_draining_says_that_it_ends() -> None:
    story = Story()
    story.runs()
    story.emit(ev.DrainStarted(origin="ann"))
    assert "Ends when these are done." in told(story).text


def test_an_idle_run_says_what_is_left() -> None:
    assert told(Story(tasks=3)).text == "no worker is busy, 3 tasks to go. All results saved."


def backs_off(story: Story, worker: int, why: str = "rate_limit") -> None:
    attempt = story.runs(f"t{worker}", worker=worker)
    until = story.at + 30 + worker
    of_call = {"attempt_id": attempt, "worker": worker, "n": 1, "until": until, "why": why}
    story.emit(ev.BackedOff(attempt_no=1, attempts=6, **of_call))


def test_a_storm_is_told_with_its_cause_and_the_next_step() -> None:
    story = Story()
    for worker in range(3):
        backs_off(story, worker)
    assert told(story, 10) == (
        "3 workers busy, 3 backing off: 429 from e, the first goes on in 20s. All results saved.",
        "notice",
    )


def test_a_silence_that_is_usual_here_is_no_hang() -> None:
    story = Story()
    first = story.runs()
    story.answers(first, CALLS_FOR_USUAL - 1, wait_s=60.0, latency_s=61.0)
    story.calls(first, n=CALLS_FOR_USUAL)
    story.now = 20
    assert told(story).text.startswith("1 STUCK for 20s; it ends by itself")  # too few to tell
    story.now = 0
    story.answers(first, 1, wait_s=60.0, latency_s=61.0)
    story.calls(first, n=CALLS_FOR_USUAL + 1)
    story.now = 20
    text = "1 STUCK for 20s, but that is usual here (p95 1m00s): stuck_after is short."
    assert told(story) == (f"{text} All results saved.", "notice")
    assert len(text) <= 76
    story.now = 61
    assert told(story).text.startswith("1 STUCK for 1m01s; ")


def test_a_model_at_rest_is_told_and_needs_a_person_where_nothing_else_goes_on() -> None:
    story = Story(tasks=3)
    attempt = story.runs()
    why = "the first 3 calls all ended by the first_byte limit"
    rest = ev.EndpointPaused(model="m", endpoint="e", why=why, until=story.at + 600)
    story.emit(rest)
    said = told(story, 5)
    assert said.text.startswith(f"1 worker busy, all well. m on e rests for 9m55s: {why}.")
    assert said.alarm == "notice"
    story.saves(story.ends(attempt))
    said = told(story, 5)
    assert said.text.startswith(f"NEEDS YOU: m on e rests for 9m55s: {why}. All results saved.")
    assert said.alarm == "needs_you"
    story.emit(ev.EndpointPaused(model="m", endpoint="e", why="by ann", until=0))
    assert told(story).alarm == "calm"
