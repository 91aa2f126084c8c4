"""Results and their groups, over real Parquet written by the engine's own writer of parts."""

import json

import pytest
from rows_on_disk import row, write

from runner import RunError, result_list, results, summary, summary_text


def test_a_task_counts_once_by_its_first_scored_row_else_its_last(tmp_path):
    run = write(
        tmp_path,
        [
            row(1, "a", "timed_out"),
            row(2, "b", "failed"),
            row(3, "a", "passed"),
            row(4, "b", "passed"),
            row(5, "c", "errored", cause="one"),
            row(6, "c", "lost", cause="two"),
        ],
    )
    frame = results(run)
    assert dict(zip(frame["task_id"], frame["attempt_id"], strict=True)) == {
        "a": "a.3",
        "b": "b.2",
        "c": "c.6",
    }
    assert results(run, attempts=True).height == 6


def test_a_list_finds_and_sorts(tmp_path):
    rows = [
        row(n, f"t{n}", "passed" if n % 2 else "failed", elapsed_s=float(n)) for n in range(1, 9)
    ]
    rows.append(row(9, "odd", "errored", cause="error:Boom", error="Kaboom (at line 3)"))
    found = result_list(write(tmp_path, rows))
    assert len(found) == 9
    assert [found.select("state:failed").row(i).task_id for i in range(4)] == [
        "t2",
        "t4",
        "t6",
        "t8",
    ]
    slowest = found.select("passed", "elapsed_s", descending=True)
    assert [slowest.row(i).elapsed_s for i in range(len(slowest))] == [7.0, 5.0, 3.0, 1.0]
    assert len(found.select("kaboom (at")) == 1  # words are words, not patterns
    assert found.row(0).started_at == pytest.approx(1_780_000_001.25)


def test_an_empty_run_has_no_results(tmp_path):
    assert len(result_list(tmp_path)) == 0
    assert summary(results(tmp_path)).height == 0


def test_groups_count_scored_tasks_only_and_say_how_sure_they_are(tmp_path):
    rows = [row(n, f"t{n}", "passed" if n < 8 else "failed") for n in range(10)]
    rows += [row(20 + n, f"u{n}", "timed_out") for n in range(5)]
    made = summary(results(write(tmp_path, rows)), ["model"])
    assert made.height == 1
    line = made.row(0, named=True)
    assert (line["n"], line["scored"], line["passed"], line["not_scored"]) == (15, 10, 8, 5)
    assert line["rate"] == 0.8
    # Wilson 1927 for 8 of 10
    assert line["low"] == pytest.approx(0.4902, abs=1e-4)
    assert line["high"] == pytest.approx(0.9433, abs=1e-4)
    harsh = summary(results(tmp_path), ["model"], unscored="fail").row(0, named=True)
    assert harsh["rate"] == pytest.approx(8 / 15)


def test_groups_go_by_labels_too_and_unknown_ones_are_named(tmp_path):
    rows = [row(n, f"t{n}", labels={"team": "red" if n % 2 else "blue"}) for n in range(6)]
    rows.append(row(9, "x", labels={}))
    frame = results(write(tmp_path, rows))
    made = summary(frame, ["team"])
    assert dict(zip(made["team"], made["n"], strict=True)) == {"": 1, "blue": 3, "red": 3}
    with pytest.raises(RunError, match="--by colour: there is no such column or label"):
        summary(frame, ["colour"])


def test_a_group_with_nothing_scored_has_no_rate(tmp_path):
    made = summary(results(write(tmp_path, [row(1, "a", "lost")])), ["model"])
    line = made.row(0, named=True)
    assert (line["rate"], line["low"], line["high"]) == (None, None, None)


def test_groups_are_written_as_table_markdown_csv_and_json(tmp_path):
    rows = [row(1, "a"), row(2, "b", "failed", model="a|b")]
    made = summary(results(write(tmp_path, rows)), ["model"])
    table = summary_text(made, "table").splitlines()
    assert len({len(line) for line in table if line}) <= 2
    assert "50.0%" not in table[1]
    assert summary_text(made, "md").splitlines()[1].startswith("| --- |")
    assert "a\\|b" in summary_text(made, "md")
    assert summary_text(made, "csv").startswith("model,n,scored")
    assert [line["model"] for line in json.loads(summary_text(made, "json"))] == ["a|b", "qwen"]


def test_a_hundred_thousand_rows_are_found_and_sorted_without_lag(tmp_path):
    import time

    import pyarrow as pa
    import pyarrow.parquet as pq

    run = write(tmp_path, [row(n, f"t{n}", "passed" if n % 3 else "errored") for n in range(1000)])
    part = next((run / "results").iterdir())
    table = pq.read_table(part)
    big = pa.concat_tables([table] * 100)
    ids = pa.array([f"t{n}" for n in range(big.num_rows)])
    big = big.set_column(1, "task_id", ids)
    part.unlink()
    pq.write_table(
        big, run / "results" / f"r-{1:08}-{100_000:08}.parquet", write_page_checksum=True
    )
    found = result_list(run)
    assert len(found) == 100_000
    began = time.process_time()
    chosen = found.select("state:errored", "elapsed_s", descending=True)
    rows = [chosen.row(place) for place in range(30_000, 30_050)]
    assert time.process_time() - began < 1.0  # 30-60 ms alone; CI is noisy
    assert len(rows) == 50
