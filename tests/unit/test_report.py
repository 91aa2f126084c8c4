"""Reports: groups with what everything cost, several runs, formats, phases; over real Parquet."""

import io
import json
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from runner.core import events as ev
from runner.core.rows import Row
from runner.engine.results.partfile import store
from runner.engine.results.parts import Part
from runner.engine.results.schema import to_table
from runner.report.groups import summary
from runner.report.judged import judged, run_names, stacked
from runner.report.phases import model_size, phase_frame, phase_tables, phase_text
from runner.report.text import grid, long_form, parquet_bytes, side_by_side, summary_text


def row(number: int, task: str, outcome: str = "passed", **fields) -> Row:
    made = {
        "run_id": "r",
        "task_id": task,
        "attempt": 1,
        "attempt_id": f"{task}.{number}",
        "model": "qwen2.5-72b",
        "deployment": "d",
        "endpoint": "azure",
        "outcome": outcome,
        "started_at": 1_780_000_000.25 + number,
        "elapsed_s": 10.0,
        "worker": 0,
        "host": 0,
    }
    return Row(**{**made, **fields})


def write(run_dir: Path, rows: list[Row], events: Sequence[ev.Event] = ()) -> Path:
    folder = run_dir / "results"
    folder.mkdir(parents=True)
    part = Part(1, len(rows))
    store(folder / part.name, part, [to_table(rows)])
    if events:
        for number, event in enumerate(events, 1):
            event.seq, event.at = number, 1_780_000_000.0 + number
        (run_dir / "events.jsonl").write_bytes(b"".join(ev.encode(event) for event in events))
    return run_dir


def loop(attempt_id: str, rule: str, turns: list[int], action: str = "kill") -> ev.LoopSeen:
    return ev.LoopSeen(
        attempt_id=attempt_id, worker=0, rule=rule, action=action, turns=turns, advice=""
    )


def test_a_task_tells_what_all_its_attempts_cost(tmp_path):
    rows = [
        row(1, "a", "timed_out", cause="deadline:first_byte", tokens_in=5, backoff_s=1.5),
        row(2, "a", "passed", attempt=2, tokens_in=7, cost=0.5, calls=2, api_s=4.0, turns=4),
        row(3, "b", "killed", cause="killed:user"),
        row(4, "c", "looped", cause="loop:repeat", turns=10),
        row(5, "d", "passed", turns=8),
        row(6, "e", "errored", cause="error:FrozeHost", elapsed_s=3.0),
    ]
    found = [loop("c.4", "repeat", [6, 7, 8]), loop("d.5", "done", [6], "warn")]
    line = summary(judged(write(tmp_path, rows, found)), ["model"]).row(0, named=True)
    assert (line["n"], line["scored"], line["passed"], line["not_scored"]) == (5, 2, 2, 3)
    assert (line["re_run"], line["by_hand"]) == (1, 1)
    assert (line["tokens_in"], line["cost"], line["backoff_s"]) == (12, 0.5, 1.5)
    assert line["hang_s"] == 13.0  # the hung attempt and the one that froze its host
    assert line["loop_s"] == 5.0  # turns 6 to 10 of ten seconds
    assert line["overrun_s"] == 2.5  # two of eight turns after it was done
    assert (line["latency_p50_s"], line["turns"]) == (2.0, 6.0)


def test_deployments_of_a_model_count_as_the_model(tmp_path):
    rows = [row(n, f"t{n}", deployment=f"east-{n % 3}") for n in range(1, 7)]
    run = judged(write(tmp_path, rows))
    assert summary(run, ["model"])["n"].to_list() == [6]
    assert summary(run, ["deployment"])["n"].to_list() == [2, 2, 2]


def test_a_report_does_not_read_bodies(tmp_path):
    frame = judged(write(tmp_path, [row(1, "a", messages='["long"]')]))
    assert not {"messages", "extra", "tool_calls"} & set(frame.columns)


def test_runs_stand_side_by_side_and_gaps_are_drawn(tmp_path):
    one = summary(judged(write(tmp_path / "1", [row(1, "a", prompt_type="cot")])), ["prompt_type"])
    two = summary(
        judged(
            write(
                tmp_path / "2",
                [row(1, "a", "failed", prompt_type="cot"), row(2, "b", prompt_type="optimal")],
            )
        ),
        ["prompt_type"],
    )
    heads, rows = side_by_side(["r1", "r2"], [one, two], ["prompt_type"])
    assert heads == ["prompt_type", "r1 n", "r1 rate 95%", "r2 n", "r2 rate 95%"]
    assert rows[0][:2] == ["cot", "1"]
    assert rows[0][2].startswith("100.0%")
    assert rows[0][4].startswith("0.0%")
    assert rows[1] == ["optimal", "-", "-", "1", "100.0% (21-100)"]
    assert long_form(["r1", "r2"], [one, two])["run"].to_list() == ["r1", "r2", "r2"]
    assert run_names([("a", "flawed"), ("b", "flawed")]) == ["a", "b"]
    assert run_names([("a", "flawed"), ("b", "")]) == ["flawed", "b"]


def test_every_format_reads_back(tmp_path):
    rows = [row(1, "a", model="a_b & 100%"), row(2, "b", "failed", model="a|b\x1b[31m")]
    made = summary(judged(write(tmp_path, rows)), ["model"])
    assert "overrun" in summary_text(made, "table").splitlines()[0]
    assert "\x1b" not in summary_text(made, "table")
    assert "a\\|b" in summary_text(made, "md")
    latex = summary_text(made, "latex")
    assert r"a\_b \& 100\%" in latex
    assert latex.count(r"\\") == 3
    assert json.loads(summary_text(made, "json"))[0]["hang_s"] == 0
    assert pl.read_csv(io.StringIO(summary_text(made, "csv")))["n"].to_list() == [1, 1]
    assert pl.read_parquet(io.BytesIO(parquet_bytes(made))).equals(made)


def test_a_grid_of_no_rows_is_its_headings():
    assert grid(["a", "b"], [], "table") == "a  b\n"


@pytest.mark.parametrize(
    ("model", "size"),
    [
        ("qwen2.5-72b-instruct", 72),
        ("Qwen2.5-0.5B", 0.5),
        ("smollm2-135M", 0.135),
        ("DeepSeek-V3-0324", None),
        ("o4-mini", None),
        ("mixtral-8x7b", None),
    ],
)
def test_the_size_of_a_model_is_what_its_name_says(model, size):
    assert model_size(model) == size


def benchmark(tmp_path: Path) -> pl.DataFrame:
    models = ("qwen2.5-7b", "qwen2.5-72b")
    prompts = [("baseline", "", 0.8), ("cot", "", 0.8), ("optimal", "", 0.8), ("optimal", "", 0.6)]
    prompts += [("flawed_missing_step", "missing_step", 0.8)]
    rows: list[Row] = []
    for model in models:
        for prompt, flaw, rate in prompts:
            for n in range(4):
                number = len(rows) + 1
                good = model == "qwen2.5-72b" or n > 0
                rows.append(
                    row(
                        number,
                        f"t{number}",
                        "passed" if good else "failed",
                        model=model,
                        prompt_type=prompt,
                        flaw=flaw,
                        tool_success_rate=rate,
                    )
                )
    return judged(write(tmp_path, rows))


def test_the_phases_tables_answer_their_questions(tmp_path):
    tables = {table.phase: table for table in phase_tables(benchmark(tmp_path))}
    assert list(tables) == ["5.1", "5.2", "5.3", "5.4", "5.5"]
    scale = tables["5.2"].cells.sort("size_b")
    assert scale["size_b"].to_list() == [7, 72]
    assert scale["rate"].to_list() == [0.75, 1.0]
    assert scale["n"].to_list() == [4, 4]  # without help only
    assert tables["5.3"].cells["flaw"].unique().to_list() == ["missing_step"]
    assert set(tables["5.4"].cells["tool_success_rate"]) == {0.6, 0.8}
    assert set(tables["5.5"].cells["prompt_type"]) == {"baseline", "cot", "optimal"}
    text = phase_text(list(tables.values()), "table")
    assert "5.2 success by size" in text
    assert text.index("qwen2.5-7b ") < text.rindex("qwen2.5-72b")
    assert "### 5.3" in phase_text(list(tables.values()), "md")
    long = phase_frame(list(tables.values()))
    assert long.columns[:4] == ["phase", "model", "column", "value"]
    assert set(long["phase"]) == set(tables)


def test_phases_leave_out_what_no_row_tells(tmp_path):
    rows = [row(1, "a", model="o4-mini", prompt_type="baseline", tool_success_rate=0.8)]
    frame = judged(write(tmp_path, rows))
    assert [table.phase for table in phase_tables(stacked([frame, frame]))] == ["5.1"]
