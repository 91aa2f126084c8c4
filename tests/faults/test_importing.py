"""Logs of another harness become a run that is read, replayed and verified like our own."""

import itertools
import json
import sys
import time

import polars as pl
import pytest
from support.workflowbench import log, save

from runner import PlanError, RunError, import_logs, judged, results, resume_run, summary, verify
from runner.core import events as ev
from runner.core.state import fold
from runner.engine.log import TranscriptReader
from runner.importing.workflowbench import Message, grouped, model_of
from runner.past.history import History


def events_of(run_dir):
    return ev.decode_lines((run_dir / "events.jsonl").read_bytes())[0]


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "test_logs"
    for number in range(12):
        save(
            folder,
            number,
            log(number, turns=1 + number % 4, good=number % 3 > 0),
            "qwen2.5-72b" if number < 6 else "o4-mini",
        )
    return folder


def test_an_import_verifies_and_reports_like_a_run_of_ours(tmp_path, logs):
    made = import_logs("workflowbench", logs, tmp_path / "runs", "old")
    assert (made.tests, made.turns, made.skipped) == (12, 30, [])
    report = verify(made.run_dir)
    assert report.ok, report
    assert report.rows == 12
    rows = pl.read_parquet(str(made.run_dir / "results" / "*.parquet"))
    assert len(list((made.run_dir / "results").iterdir())) == 1
    assert set(rows["model"]) == {"qwen2.5-72b", "o4-mini"}
    assert rows["outcome"].value_counts(sort=True).rows() == [("passed", 8), ("failed", 4)]
    assert set(rows["flaw"]) == {"", "missing_step"}
    assert set(rows["difficulty"]) == {"easy"}
    groups = summary(judged(made.run_dir), ["model"])
    assert groups["n"].to_list() == [6, 6]
    state = fold(events_of(made.run_dir))
    assert (state.status, len(state.done), state.exit_code) == ("finished", 12, 0)
    assert state.tasks_total == 12


def test_an_import_replays_to_any_moment_with_its_conversations(tmp_path, logs):
    made = import_logs("workflowbench", logs, tmp_path / "runs", "old")
    events = events_of(made.run_dir)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(a.at <= b.at for a, b in itertools.pairwise(events))
    history = History(made.run_dir).refresh()
    middle = (history.first_at + history.last_at) / 2
    state = history.state_at(middle)
    assert len(state.owner) > 1  # they overlapped, so several workers are busy
    assert state.status == "running"
    history.close()
    reader = TranscriptReader(made.run_dir)
    assert (made.run_dir / "transcript.jsonl.zst").exists()
    texts = [
        json.loads(reader.read(event.offset, event.length) or b"null")
        for event in events
        if isinstance(event, ev.MessageAdded) and event.role == "assistant"
    ]
    assert "<tool_call>reader_1</tool_call>" in texts
    one = [event for event in events if getattr(event, "attempt_id", "") == "1-00004"]
    kinds = [type(event).__name__ for event in one]
    assert kinds[0] == "AttemptStarted"
    assert kinds[-1] == "AttemptEnded"
    turns = [event for event in one if isinstance(event, ev.TurnStarted)]
    assert len({round(b.at - a.at, 3) for a, b in itertools.pairwise(turns)}) == 1


def test_a_turn_that_is_stored_twice_counts_once(tmp_path):
    doubled = log(1, turns=2)
    doubled["conversation_history"] += doubled["conversation_history"][1:3]
    save(tmp_path / "logs", 1, doubled)
    made = import_logs("workflowbench", tmp_path / "logs", tmp_path / "runs")
    assert (made.turns, made.doubled) == (2, 2)
    assert any("twice" in note for note in made.notes)
    messages = json.loads(results(made.run_dir)["messages"][0])
    assert [message["turn"] for message in messages] == [0, 1, 1, 2, 2]


def test_a_copy_of_a_turn_with_other_text_is_kept():
    said = [
        Message("assistant", "a", 1),
        Message("assistant", "b", 1),
        Message("assistant", "a", 1),
    ]
    turns, doubled = grouped(said)
    assert [message.content for message in turns[0][1]] == ["a", "b"]
    assert doubled == 1


def test_files_cut_off_or_of_another_kind_are_named_and_left_out(tmp_path, logs):
    whole = (next(logs.iterdir())).read_bytes()
    (logs / "cut.json").write_bytes(whole[: len(whole) // 2])
    (logs / "empty.json").write_bytes(b"")
    (logs / "other.json").write_bytes(b'{"hello": "world"}')
    (logs / "binary.json").write_bytes(b"\xff\xfe\x00")
    made = import_logs("workflowbench", logs, tmp_path / "runs")
    why = {item.file: item.why for item in made.skipped}
    assert set(why) == {"cut.json", "empty.json", "other.json", "binary.json"}
    assert why["cut.json"] == "cut off in mid-write"
    assert "test_id" in why["other.json"]
    assert made.tests == 12
    assert "cut.json was left out" in (made.run_dir / "engine.log").read_text()


def test_trouble_of_the_endpoint_is_not_a_wrong_answer(tmp_path):
    gone = log(1, turns=1, good=False)
    gone["conversation_history"].append(
        {"role": "system", "content": "API failed after max retries", "turn": 2}
    )
    silent = log(2, turns=0, good=False)
    silent["conversation_history"] = []
    slow = log(3, turns=1, good=False)
    slow["result"]["error_type"] = "timeout"
    partial = log(4)
    partial["result"]["final_score"] = 0.6
    for number, made in enumerate((gone, silent, slow, partial)):
        save(tmp_path / "logs", number, made)
    made = import_logs("workflowbench", tmp_path / "logs", tmp_path / "runs")
    frame = results(made.run_dir)
    found = dict(
        zip(frame["task_id"], zip(frame["outcome"], frame["cause"], strict=True), strict=True)
    )
    assert found == {
        "basic_task_0001": ("errored", "retries:count"),
        "basic_task_0002": ("errored", "error:NoTurns"),
        "basic_task_0003": ("timed_out", "deadline:attempt"),
        "basic_task_0004": ("partial", ""),
    }
    assert frame.filter(pl.col("outcome") != "partial")["score"].null_count() == 3
    assert fold(events_of(made.run_dir)).exit_code == 1


def test_hostile_values_stop_nothing(tmp_path):
    odd = log(1, turns=1)
    odd["timestamp"] = {"not": "a time"}
    odd["result"]["execution_time"] = "NaN"
    odd["result"]["final_score"] = -5
    odd["conversation_history"].append({"role": "user", "content": {"x": ["\ud800"]}, "turn": "x"})
    odd["execution_history"].append({"tool": None, "execution_time": -1})
    save(tmp_path / "logs", 1, odd)
    made = import_logs("workflowbench", tmp_path / "logs", tmp_path / "runs")
    assert verify(made.run_dir).ok
    assert any("no timestamp" in note for note in made.notes)


def test_the_model_is_what_stands_before_the_task_type(tmp_path):
    assert model_of(tmp_path / "DeepSeek-V3-0324_basic_task_x.json", "basic_task") == (
        "DeepSeek-V3-0324"
    )
    assert model_of(tmp_path / "something.json", "basic_task") == "unknown"
    assert model_of(tmp_path / "x_y.json", "") == "unknown"


def test_nothing_usable_makes_no_run(tmp_path):
    (tmp_path / "logs").mkdir()
    with pytest.raises(PlanError, match="holds no"):
        import_logs("workflowbench", tmp_path / "logs", tmp_path / "runs")
    with pytest.raises(PlanError, match="is not a folder"):
        import_logs("workflowbench", tmp_path / "nowhere", tmp_path / "runs")
    with pytest.raises(PlanError, match="known: workflowbench"):
        import_logs("nonsense", tmp_path, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_an_imported_run_cannot_be_resumed(tmp_path, logs):
    made = import_logs("workflowbench", logs, tmp_path / "runs")
    with pytest.raises(RunError, match="was imported"):
        resume_run(made.run_dir)


@pytest.mark.drill
@pytest.mark.timeout(300)
def test_thirteen_thousand_files_take_less_than_a_minute(tmp_path):
    folder = tmp_path / "logs"
    filler = "x" * 1_300
    for number in range(13_000):
        made = log(number, turns=10)
        for message in made["conversation_history"]:
            message["content"] += f" {number} {filler}"
        save(folder, number, made, f"model-{number % 8}")
    size = sum(path.stat().st_size for path in folder.iterdir()) / 13_000
    assert 28_000 < size < 40_000
    began = time.monotonic()
    imported = import_logs("workflowbench", folder, tmp_path / "runs")
    took = time.monotonic() - began
    lines = len(events_of(imported.run_dir))
    sys.stderr.write(f"13,000 files of {size / 1e3:.0f} kB: {took:.1f} s, {lines} events\n")
    assert imported.tests == 13_000
    assert took < 60
    assert verify(imported.run_dir).ok
