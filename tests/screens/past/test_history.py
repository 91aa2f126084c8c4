"""The past of a run as read from its log: moments, walks, marks, one attempt's events."""

from itertools import pairwise

import pytest

from runner import History, events_of, fold, status
from runner.core.state.snapshot import copy_state, decode_state, encode_state
from runner.core.verdict import EngineSeen


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch):
    """The past is read in chunks of 20 kB, so that small runs have many snapshots too."""
    monkeypatch.setattr("runner.engine.log.reader.CHUNK_BYTES", 20_000)


def chopped(maker) -> History:
    """A history with many snapshots, so that moments lie on both sides of each."""
    return History(maker.run_dir, snapshot_events=200, snapshot_bytes=10_000).refresh()


def prefix(maker, at: float):
    return [event for event in maker.made if event.at <= at]


def test_the_state_at_a_moment_is_the_fold_of_all_before_it(lively):
    history = chopped(lively)
    assert len(history._snapshots) > 5
    moments = [event.at for event in lively.made[::97]]
    for at in (*moments, lively.made[0].at - 1, lively.made[-1].at + 100):
        assert history.state_at(at) == fold(prefix(lively, at)), at


def test_status_at_a_moment_says_what_the_fold_says(lively):
    history = chopped(lively)
    at = lively.made[1500].at
    said = status(history.state_at(at), at, EngineSeen())
    assert said == status(fold(prefix(lively, at)), at, EngineSeen())
    assert said["tasks"]["running"] > 0


def test_events_of_one_moment_are_taken_in_together(make_run):
    maker = make_run()
    maker.engine()  # three events at one moment
    history = History(maker.run_dir).refresh()
    assert history.state_at(maker.at).hosts[0].pid == 2
    assert history.state_at(maker.at - 0.001).seq == 0


def test_between_two_moments_nothing_is_lost_or_doubled(lively):
    history = chopped(lively)
    edges = [event.at for event in lively.made[::333]] + [lively.made[-1].at]
    walked = prefix(lively, edges[0])
    for after, until in pairwise(edges):
        walked += history.events_between(after, until)
    assert [event.seq for event in walked] == [event.seq for event in lively.made]


def test_a_snapshot_is_equal_and_shares_nothing(lively):
    state = fold(lively.made[:1000])
    again = decode_state(encode_state(state))
    assert again == state
    copied = copy_state(state)
    copied.workers[0].children[1] = "x"
    copied.done["other"] = "passed"
    assert state == again


def test_history_takes_in_what_is_written_later(make_run):
    maker = make_run()
    maker.engine()
    history = History(maker.run_dir).refresh()
    before = history.events
    maker.wait(3)
    attempt = maker.begin(0, "a")
    history.refresh()
    assert history.events == before + 2
    assert history.last_at == maker.at
    assert history.state_at(maker.at).owner == {attempt: 0}


def test_a_torn_line_is_not_there_until_it_is_whole(make_run):
    maker = make_run()
    maker.engine()
    log = maker.run_dir / "events.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"type":"EngineLag')
    history = History(maker.run_dir).refresh()
    assert (history.events, history.garbled) == (3, 0)
    log.write_bytes(whole + b'{"type":"EngineLagged","seq":4,"at":1e10,"gap_s":1}\n')
    assert history.refresh().events == 4


def test_garbage_in_the_middle_is_counted_and_skipped(make_run):
    maker = make_run()
    maker.engine()
    with (maker.run_dir / "events.jsonl").open("ab") as log:
        log.write(b"\x00\xff nonsense\n")
        log.write(b'{"type":"FromTheFuture","seq":4,"at":1e10,"x":1}\n')
    history = History(maker.run_dir).refresh()
    assert (history.events, history.garbled) == (4, 1)
    assert history.state_at(1e11).unknown_events == 1


def test_a_log_that_became_shorter_is_read_anew(make_run):
    maker = make_run()
    maker.engine()
    attempt = maker.begin(0, "a")
    history = History(maker.run_dir).refresh()
    assert history.state_at(maker.at).owner == {attempt: 0}
    log = maker.run_dir / "events.jsonl"
    log.write_bytes(log.read_bytes().split(b"\n")[0] + b"\n")
    history.refresh()
    assert (history.events, history.state_at(maker.at).owner) == (1, {})


def test_events_of_an_attempt_are_its_own_only(lively):
    ids = [e.attempt_id for e in lively.made if type(e).__name__ == "AttemptStarted"]
    wanted = ids[0]
    expected = [e.seq for e in lively.made if getattr(e, "attempt_id", "") == wanted]
    assert [event.seq for event in events_of(lively.run_dir, wanted)] == expected
    assert events_of(lively.run_dir, "no-such") == []


def test_an_id_that_begins_like_another_is_not_mixed_up(make_run):
    maker = make_run()
    maker.engine()
    for worker, task in enumerate(("a", "a.1")):
        maker.begin(worker, task)
    assert {e.attempt_id for e in events_of(maker.run_dir, "a.1")} == {"a.1"}  # type: ignore[attr-defined]


def test_steps_go_to_moments_at_which_something_happened(make_run):
    from runner import ev

    maker = make_run()
    maker.engine()
    first = maker.at
    maker.wait(5).emit(ev.Pulse(slots=[], hosts=[]))
    maker.wait(5).begin(0, "a")
    second = maker.at
    history = History(maker.run_dir).refresh()
    assert history.moment_after(first) == second
    assert history.moment_before(second) == first
    assert history.moment_after(second) is None
    assert history.moment_before(first) is None


def test_density_counts_what_happened_where(make_run):
    maker = make_run()
    maker.engine()
    maker.wait(50).begin(0, "a")
    maker.wait(50).begin(1, "b")
    history = History(maker.run_dir).refresh()
    assert history.density(4) == [3, 0, 2, 2]
    assert sum(history.density(1)) == 7


def test_snapshots_stay_within_their_memory(lively, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("runner.past.history.SNAPSHOTS_BYTES", 50_000)
    history = chopped(lively)
    assert sum(len(item.data) for item in history._snapshots) < 100_000
    at = lively.made[2000].at
    assert history.state_at(at) == fold(prefix(lively, at))


def test_an_empty_or_missing_log_has_an_empty_past(tmp_path):
    history = History(tmp_path).refresh()
    assert (history.events, history.first_at, history.density(3)) == (0, 0.0, [0, 0, 0])
    assert history.state_at(1.0).seq == 0
