"""`import`, then `report` in every form: the real program over logs of another harness."""

import io
import json
from pathlib import Path

import polars as pl
import pytest
from support.commands import COMMAND, Pilot
from support.workflowbench import log, save


@pytest.fixture
def imported(pilot: Pilot, tmp_path: Path) -> str:
    """A run of 12 tests of two models, and one file that was cut off."""
    for number in range(12):
        model = "qwen2.5-7b" if number < 6 else "qwen2.5-72b"
        save(tmp_path / "logs", number, log(number, good=number != 2), model)
    (tmp_path / "logs" / "cut.json").write_text('{"test_id": "x", "resu')
    said = pilot("import", "workflowbench", str(tmp_path / "logs"), "--run-id", "old")
    assert said.code == 0, said.err
    assert "imported 12 tests, 36 turns, as old" in said.out
    assert "left out: cut.json: cut off in mid-write" in said.err
    assert "spread evenly" in said.err
    return "old"


def test_an_imported_run_is_asked_like_any_other(pilot: Pilot, imported: str) -> None:
    assert pilot("verify", imported).code == 0
    status = pilot("status", imported, "--json").json
    assert (status["state"], status["tasks"]["done"]) == ("finished", 12)
    middle = pilot("status", imported, "--json", "--at", "+10").json
    assert middle["tasks"]["running"] > 1
    assert pilot("incidents", imported).code == 0
    refused = pilot("resume", imported, "--headless")
    assert refused.code == 2
    assert "was imported from" in refused.err


def test_a_report_has_every_form(pilot: Pilot, imported: str, tmp_path: Path) -> None:
    import subprocess

    table = pilot("report", imported, "--by", "model")
    assert table.code == 0
    assert "83.3% (44-97)" in table.out
    assert "overrun" in table.out.splitlines()[0]
    assert pilot("report", imported, "--format", "md").out.startswith("| model | prompt_type |")
    assert r"\toprule" in pilot("report", imported, "--format", "latex").out
    rows = pl.read_csv(io.StringIO(pilot("report", imported, "--format", "csv").out))
    assert rows["n"].sum() == 12
    groups = pilot("report", imported, "--by", "difficulty", "--json").json[0]["groups"]
    assert [(line["difficulty"], line["n"], line["passed"]) for line in groups] == [
        ("easy", 12, 11)
    ]
    parquet = subprocess.run(
        [*COMMAND, "report", str(tmp_path / "runs" / imported), "--format", "parquet"],
        capture_output=True,
        check=True,
    )
    assert pl.read_parquet(io.BytesIO(parquet.stdout))["n"].sum() == 12
    assert pilot("report", imported, "--by", "colour").code == 2


def test_phases_and_runs_side_by_side(pilot: Pilot, imported: str, tmp_path: Path) -> None:
    phases = pilot("report", imported, "--phases")
    assert "5.2 success by size" in phases.out
    assert "5.3 success by model and flaw" in phases.out
    assert {
        line["phase"] for line in json.loads(pilot("report", imported, "--phases", "--json").out)
    } >= {
        "5.1",
        "5.2",
        "5.3",
    }
    assert pilot("import", "workflowbench", str(tmp_path / "logs"), "--run-id", "two").code == 0
    both = pilot("report", imported, "two", "--by", "model")
    assert "old n" in both.out.splitlines()[0]
    assert "two n" in both.out.splitlines()[0]
    assert len(both.out.splitlines()) == 3
    long = pilot("report", imported, "two", "--by", "model", "--format", "csv")
    assert long.out.startswith("run,model,n")


def test_logs_that_are_none_make_no_run(pilot: Pilot, tmp_path: Path) -> None:
    said = pilot("import", "workflowbench", str(tmp_path / "nowhere"))
    assert said.code == 2
    assert "is not a folder" in said.err
    assert pilot("import", "nonsense", str(tmp_path)).code == 2
