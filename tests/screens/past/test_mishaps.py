"""Errors by cause, and runs at a glance, out of real logs."""

from pathlib import Path

from runner import Mishaps, ev, glances


def lines(maker) -> list[tuple[int, str, str, str]]:
    found = Mishaps(maker.run_dir).refresh()
    return [(item.count, item.kind, item.what, item.where) for item in found]


def test_each_cause_is_one_line_with_its_number(make_run):
    maker = make_run()
    maker.engine()
    for number in range(3):
        attempt = maker.begin(0, f"t{number}")
        maker.emit(
            ev.BackedOff(
                attempt_id=attempt,
                worker=0,
                n=1,
                attempt_no=1,
                attempts=5,
                until=maker.at,
                why="server",
                status=500,
                text="oops",
            )
        )
        maker.end(0, attempt, "errored", "retries:count")
    ok = maker.begin(1, "fine")
    maker.end(1, ok)
    maker.emit(ev.LateDropped(attempt_id="t0.1", host=2, what="result", count=4))
    maker.emit(ev.HostGone(host=1, why="out of memory"))
    maker.emit(ev.ClockJumped(by_s=-3600))
    assert lines(maker) == [
        (4, "dropped", "result", "process 2"),
        (3, "attempt", "errored retries:count", "qwen on azure"),
        (3, "backoff", "server 500", "qwen on azure"),
        (1, "engine", "the clock was set", ""),
        (1, "process", "out of memory", "process 1"),
    ]


def test_only_what_is_new_is_read_and_a_new_log_begins_anew(make_run):
    maker = make_run()
    maker.engine()
    found = Mishaps(maker.run_dir)
    assert found.refresh() == []
    maker.emit(ev.EngineLagged(gap_s=2))
    assert [item.count for item in found.refresh()] == [1]
    maker.emit(ev.EngineLagged(gap_s=3))
    later = found.refresh()
    assert [(item.count, item.text) for item in later] == [(2, "for 3.0s")]
    (maker.run_dir / "events.jsonl").write_bytes(ev.encode(maker.made[0]))
    assert found.refresh() == []


def test_unreadable_lines_and_events_of_the_future_are_counted(make_run):
    maker = make_run()
    maker.engine()
    with (maker.run_dir / "events.jsonl").open("ab") as log:
        log.write(b'garbage\n{"type":"Tomorrow","seq":9,"at":1}\nmore garbage\n')
    assert lines(maker) == [
        (2, "log", "unreadable lines", ""),
        (1, "log", "events of a newer version: Tomorrow", ""),
    ]


def test_runs_at_a_glance(make_run, tmp_path: Path):
    done, lost = make_run("done"), make_run("lost")
    for maker in (done, lost):
        maker.engine()
        maker.end(0, maker.begin(0, "a"))
    done.finish()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "events.jsonl").touch()
    (tmp_path / "no-run").mkdir()
    found = {item.info.run_id: item for item in glances(tmp_path)}
    assert {name: item.status for name, item in found.items()} == {
        "done": "finished",
        "lost": "lost",
        "empty": "empty",
    }
    assert (found["done"].rows, found["done"].last_at) == (1, done.at)


def test_a_long_log_is_judged_by_its_end(make_run, tmp_path: Path):
    maker = make_run("long", workers=8)
    maker.engine()
    maker.chatter(3000)
    maker.finish("stopped")
    (found,) = glances(tmp_path)
    assert found.log_bytes > 300_000
    assert (found.status, found.rows) == ("stopped", maker.row)
