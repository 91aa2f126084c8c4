"""Episodes of trouble out of a log: joined over workers and time, in words."""

import pytest

from runner import ev, incident_words
from runner.core.incidents import incidents


@pytest.fixture
def maker(make_run):
    made = make_run(workers=20, tasks=40)
    made.engine()
    made.wait(1)
    return made


def silent(maker, worker: int) -> str:
    attempt = maker.begin(worker, f"t{worker}")
    maker.emit(ev.CallStarted(attempt_id=attempt, worker=worker, n=1, stream=True))
    return attempt


def kinds(maker) -> list[str]:
    return [item.kind for item in incidents(maker.made)]


def test_a_hang_of_many_workers_is_one_line(maker):
    ids = [silent(maker.wait(0.1), worker) for worker in range(14)]
    began = maker.made[3].at
    maker.wait(30)
    for worker, attempt in enumerate(ids):
        again = "requeued" if worker < 12 else "final"
        maker.wait(0.1).end(worker, attempt, "timed_out", "deadline:first_byte", then=again)
    found = incidents(maker.made)
    assert [item.kind for item in found] == ["hang"]
    assert incident_words(found[0]) == (
        "hang, 14 workers, azure first byte, 14 ended by limit, 12 ran again"
    )
    assert (found[0].began_at, found[0].ended_at) == (pytest.approx(began), maker.at)
    assert found[0].workers == list(range(14))


def test_hangs_far_apart_are_two_and_places_are_not_mixed(maker):
    first = silent(maker, 0)
    maker.wait(30).end(0, first, "timed_out", "deadline:first_byte")
    maker.wait(600)
    second = silent(maker, 1)
    third = maker.begin(2, "t2")
    maker.emit(ev.ToolStarted(attempt_id=third, worker=2, tool="bash"))
    maker.wait(30).end(1, second, "timed_out", "deadline:first_byte")
    maker.end(2, third, "timed_out", "deadline:attempt")
    assert [(i.kind, i.where) for i in incidents(maker.made)] == [
        ("hang", "azure"),
        ("hang", "azure"),
        ("hang", "bash"),
    ]


def test_one_that_goes_on_by_itself_is_told_as_such(maker):
    attempt = silent(maker, 0)
    maker.wait(8)
    maker.emit(ev.CallEnded(attempt_id=attempt, worker=0, n=1, latency_s=8, bytes=1, how="ok"))
    found = incidents(maker.made)
    assert [item.recovered for item in found] == [1]
    assert "1 went on by themselves" in incident_words(found[0])
    assert not found[0].open


def test_a_call_that_hit_its_limit_is_a_hang_of_its_endpoint_and_counted_once(maker):
    attempt = silent(maker, 0)
    maker.wait(3)
    cut = {"attempt_id": attempt, "worker": 0, "n": 1, "latency_s": 3, "bytes": 0}
    maker.emit(ev.CallEnded(**cut, how="first_byte"))
    maker.end(0, attempt, "timed_out", "deadline:first_byte", then="requeued")
    found = incidents(maker.made)
    assert [incident_words(item) for item in found] == [
        "hang, 1 worker, azure first byte, 1 ended by limit, 1 ran again"
    ]


def test_a_call_that_hit_its_limit_and_was_sent_again_did_not_go_on_by_itself(maker):
    attempt = silent(maker, 0)
    maker.wait(30)
    cut = {"attempt_id": attempt, "worker": 0, "n": 1, "latency_s": 30, "bytes": 0}
    maker.emit(ev.CallEnded(**cut, how="first_byte"))
    maker.call(0, attempt, 2, 1.0)
    maker.end(0, attempt)
    found = incidents(maker.made)
    assert [incident_words(item) for item in found] == [
        "hang, 1 worker, azure first byte, 1 ended by limit"
    ]


def test_progress_in_a_pulse_ends_a_hang_and_a_drip_does_not(maker):
    silent(maker, 0)
    start = maker.at
    maker.wait(3).emit(
        ev.Pulse(slots=[ev.SlotPulse(0, "stream", start, maker.at, start, 5)], hosts=[])
    )
    maker.wait(4).emit(
        ev.Pulse(slots=[ev.SlotPulse(0, "stream", start, maker.at, maker.at, 9)], hosts=[])
    )
    found = incidents(maker.made)
    assert [(i.began_at, i.ended_at) for i in found] == [(start, start + 7)]


def test_work_below_the_threshold_is_no_hang(maker):
    attempt = maker.begin(0, "t0")
    for n in range(1, 9):
        maker.call(0, attempt, n, 4.0)
    maker.end(0, attempt)
    assert kinds(maker) == []


def test_a_hang_that_goes_on_at_the_end_is_open(maker):
    silent(maker, 3)
    maker.wait(7).emit(ev.Pulse(slots=[], hosts=[]))
    found = incidents(maker.made)
    assert [(i.kind, i.open, i.workers) for i in found] == [("hang", True, [3])]


def test_an_attempt_that_worked_until_its_limit_is_an_error_and_no_hang(maker):
    attempt = maker.begin(0, "t0")
    maker.call(0, attempt, 1, 2.0)
    maker.wait(0.5).end(0, attempt, "timed_out", "deadline:attempt")
    assert [(i.kind, i.what) for i in incidents(maker.made)] == [("error", "deadline:attempt")]


@pytest.mark.parametrize(("times", "shown"), [(4, []), (5, ["rate_limit"])])
def test_a_few_429s_are_everyday_life_and_many_are_a_storm(maker, times, shown):
    attempt = maker.begin(0, "t0")
    for n in range(times):
        maker.wait(1).emit(
            ev.BackedOff(
                attempt_id=attempt,
                worker=0,
                n=n,
                attempt_no=1,
                attempts=5,
                until=maker.at + 1,
                why="rate_limit",
            )
        )
    assert kinds(maker) == shown


def test_kills_loops_errors_and_pauses_have_their_lines(maker):
    for worker in range(3):
        maker.begin(worker, f"t{worker}")
    maker.emit(ev.KillRequested(attempt_id="t0.1", origin="me"))
    maker.wait(0.1).end(0, "t0.1", "killed", "killed:user")
    maker.end(1, "t1.1", "looped", "loop:repeat")
    maker.end(2, "t2.1", "errored", "retries:count")
    maker.emit(ev.RunPaused(cause="storm", text="too many errors"))
    maker.wait(5).emit(ev.RunUnpaused(cause="storm"))
    maker.emit(ev.RunPaused(cause="user", text=""))
    found = incidents(maker.made)
    assert sorted(item.kind for item in found) == ["error", "kill", "loop", "pause"]
    pause = next(item for item in found if item.kind == "pause")
    assert (pause.open, pause.ended_at - pause.began_at) == (False, pytest.approx(5))


def test_a_full_disk_lasts_until_it_is_over(maker):
    maker.emit(ev.RowsFailed(error="full", waiting=1))
    assert incidents(maker.made)[0].open
    maker.wait(90).emit(ev.RowsFailed(error="full", waiting=4))
    maker.wait(10).emit(ev.RowsRecovered(waited_s=100))
    found = incidents(maker.made)
    assert [(i.kind, i.open) for i in found] == [("disk", False)]
    assert found[0].ended_at - found[0].began_at == pytest.approx(100)


def test_a_process_that_froze_names_those_it_hit(maker):
    for worker in range(3):
        maker.begin(worker, f"t{worker}")
    maker.wait(5).emit(ev.HostFroze(host=0, silent_s=1.5))
    maker.wait(5).emit(ev.HostGone(host=0, why="frozen"))
    found = [item for item in incidents(maker.made) if item.kind == "process"]
    assert [item.workers for item in found] == [[0, 1, 2]]
    assert found[0].ended_at - found[0].began_at == pytest.approx(6.5)


def test_an_engine_that_died_and_came_back_is_a_restart(maker):
    maker.emit(ev.Pulse(slots=[], hosts=[]))
    maker.wait(3600)
    maker.engine()
    found = incidents(maker.made)
    assert [(i.kind, i.text) for i in found] == [("restart", "the engine was gone")]
    assert found[0].ended_at - found[0].began_at == pytest.approx(3600)


def test_events_that_fit_nothing_are_survived(maker):
    maker.emit(
        ev.BackedOff(attempt_id="?", worker=99, n=1, attempt_no=1, attempts=1, until=0, why="")
    )
    maker.emit(ev.CallEnded(attempt_id="?", worker=99, n=1, latency_s=1, bytes=1, how="ok"))
    maker.emit(ev.Pulse(slots=[ev.SlotPulse(77, "wait", 1, 1, 1, 1)], hosts=[]))
    maker.emit(ev.HostGone(host=9, why="?"))
    assert kinds(maker) == []


def test_hostile_words_are_harmless(maker):
    maker.begin(0, "t0")
    maker.emit(ev.HostGone(host=0, why="\x1b[2J boo"))
    assert "\x1b" not in incident_words(incidents(maker.made)[0])
