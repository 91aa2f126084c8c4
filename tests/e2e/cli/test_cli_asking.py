"""Questions about a run that is over: what is printed for people, and what scripts rely on."""

import os
from pathlib import Path

import pytest
from support.commands import BEGAN, Pilot, started, write_run

from runner.core import events as ev


def test_status_says_the_verdict_first(pilot: Pilot, past: Path):
    said = pilot("status", "past-1")
    assert said.code == 0
    assert said.out.startswith("stopped: ")
    assert said.out.splitlines()[0] == pilot("status", "past-1", "--json").json["verdict"]


@pytest.mark.parametrize("name", ["past-1", "pas", "latest", "runs/past-1"])
def test_a_run_is_named_by_id_prefix_latest_or_path(pilot: Pilot, past: Path, name: str):
    assert pilot("status", name, "--json").json["run_id"] == "past-1"


def test_an_ambiguous_prefix_names_the_candidates(pilot: Pilot, past: Path):
    write_run(past.parent / "past-2", [])
    said = pilot("status", "past")
    assert said.code == 2
    assert "past-1" in said.err
    assert "past-2" in said.err


@pytest.mark.parametrize(
    ("at", "running", "stuck"),
    [
        pytest.param("+10s", 1, True, id="from the start"),
        pytest.param("10", 1, True, id="seconds"),
        pytest.param("+3s", 2, False, id="before anything ended"),
        pytest.param(str(int(BEGAN) + 10), 1, True, id="unix seconds"),
    ],
)
def test_status_at_a_moment_of_the_past(
    pilot: Pilot, past: Path, at: str, running: int, stuck: bool
):
    found = pilot("status", "past-1", "--at", at, "--json").json
    assert sum(worker["task_id"] is not None for worker in found["workers"]) == running
    assert found["elapsed_s"] < 20
    assert (found["workers"][1]["health"] == "stuck") is stuck


def test_status_at_a_moment_outside_the_run(pilot: Pilot, past: Path):
    said = pilot("status", "past-1", "--at", "+2h")
    assert said.code == 2
    assert "not within the run" in said.err


def test_a_run_whose_engine_vanished_is_lost(pilot: Pilot, tmp_path: Path):
    write_run(tmp_path / "runs" / "gone-1", [started(1, 0)])
    assert pilot("ls", "--json").json[0]["state"] == "lost"
    found = pilot("status", "gone-1", "--json").json
    assert (found["state"], found["runner"]["pid"]) == ("lost", None)
    assert found["verdict"].startswith("ENGINE GONE")
    assert pilot("wait", "gone-1").code == 3
    said = pilot("doctor", "gone-1", "--json")
    assert (said.code, said.json["healthy"]) == (1, False)
    assert said.json["next"] == "pilot-tui resume gone-1"


def test_wait_ends_with_the_code_of_the_run(pilot: Pilot, past: Path):
    assert pilot("wait", "past-1").code == 3
    assert pilot("wait", "past-1", "--json").json["state"] == "stopped"


def test_ls_as_json(pilot: Pilot, past: Path):
    (found,) = pilot("ls", "--json").json
    assert found["run_dir"] == str(past)
    assert (found["state"], found["live"], found["exit_code"]) == ("stopped", False, 3)


def test_incidents(pilot: Pilot, past: Path):
    found = pilot("incidents", "past-1", "--json").json
    assert [item["kind"] for item in found] == ["hang"]
    assert "hang, 1 worker" in pilot("incidents", "past-1").out


def test_report_of_a_run_without_rows_and_of_a_damaged_one(pilot: Pilot, past: Path):
    assert pilot("report", "past-1", "--json").json == [{"run_id": "past-1", "groups": []}]
    heads = pilot("report", "past-1", "past-1").out.splitlines()[0]
    assert heads.count("past-1") == 4  # n and rate of each run, side by side
    nothing = pilot("report", "past-1", "--by", "moon")
    assert (nothing.code, "no such column" in nothing.err) == (2, True)
    (past / "results" / "r-00000001-00000002.parquet").write_bytes(b"PAR1 no")
    damaged = pilot("report", "past-1")
    assert (damaged.code, "pilot-tui verify past-1" in damaged.err) == (2, True)


def test_verify_tells_rows_that_are_missing_and_exits_1(pilot: Pilot, past: Path):
    said = pilot("verify", "past-1", "--json")
    assert said.code == (0 if said.json["ok"] else 1)
    (past / "results" / "r-00000001-00000002.parquet").write_bytes(b"PAR1 no")
    broken = pilot("verify", "past-1", "--json")
    assert broken.code == 1
    assert broken.json["bad_parts"][0]["file"] == "r-00000001-00000002.parquet"
    assert pilot("verify", "past-1").out.startswith("NOT OK")


def test_an_order_to_a_run_without_an_engine_exits_3(pilot: Pilot, past: Path):
    for order in (["pause", "past-1"], ["stop", "past-1"], ["kill", "past-1", "--worker", "0"]):
        said = pilot(*order)
        assert (said.code, "no engine" in said.err) == (3, True)


def test_a_replay_needs_a_terminal(pilot: Pilot, past: Path):
    said = pilot("replay", "past-1")
    assert (said.code, "status RUN --at T" in said.err) == (2, True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_log_that_may_not_be_read(pilot: Pilot, past: Path):
    (past / "events.jsonl").chmod(0)
    said = pilot("status", "past-1")
    assert (said.code, "cannot be read" in said.err) == (2, True)


def test_names_of_strangers_drive_no_terminal(pilot: Pilot, tmp_path: Path):
    hostile = started(1, 0)
    hostile.task_id = "\x1b]0;owned\x07\u202etask"
    write_run(tmp_path / "runs" / "hostile-1", [hostile])
    for command in (["status", "hostile-1", "--at", "+60"], ["status", "hostile-1"]):
        assert not {"\x1b", "\x07", "\u202e"} & set(pilot(*command).out)


def test_a_garbled_log_is_read_as_far_as_it_goes(pilot: Pilot, past: Path):
    with (past / "events.jsonl").open("ab") as log:
        log.write(
            b'{"type": "FromTheFuture", "seq": 9, "at": 1790000101.0}\n\xff\xfe{\n{"type": "Ru'
        )
    assert pilot("status", "past-1").code == 0
    assert pilot("verify", "past-1", "--json").json["log"]["unknown"] == 1


def test_events_after_the_window_do_not_hide_the_end(pilot: Pilot, tmp_path: Path):
    long = ev.Logged(at=BEGAN + 1, attempt_id="a0", worker=0, text="x" * 200_000)
    end = ev.RunEnded(at=BEGAN + 2, status="finished", why="", exit_code=0)
    write_run(tmp_path / "runs" / "long-1", [started(1, 0), long, end])
    assert pilot("wait", "long-1").code == 0
