"""`loops evaluate`: its arithmetic on a file made here, and its figures on the real conversations.

The real file may not ship. It is looked for at PILOT_CONVERSATIONS, else beside the checkout.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from runner.core.loops import rules
from runner.core.loops.rules import Bounds
from runner.engine.evaluate import Evaluation, Score, evaluate_file

BESIDE = Path(__file__).parents[3] / "shared" / "data" / "conversations.parquet"
TURN = pl.Struct(
    {
        "kind": pl.String,
        "signature": pl.Int16,
        "unclosed_tag": pl.Boolean,
        "chars": pl.Int32,
        "result": pl.String,
    }
)
SCHEMA: dict[str, Any] = {
    "success": pl.Boolean,
    "last_new_required_turn": pl.Int64,
    "turn_list": pl.List(TURN),
}

# ----------------------------------------------------------------------------- a file made by hand


def conversation(
    actions: str, results: str, *, success: bool, progress: int | None = None, unclosed: str = ""
) -> dict[str, Any]:
    """One row; turns of a kind in a row have different signatures, unclosed ones the same."""
    marks = unclosed.ljust(len(actions), ".")
    turn_list = [
        {
            "kind": kind,
            "signature": 99 if mark == "u" else place,
            "unclosed_tag": mark == "u",
            "chars": 40,
            "result": result,
        }
        for place, (kind, result, mark) in enumerate(zip(actions, results, marks, strict=True))
    ]
    return {"success": success, "last_new_required_turn": progress, "turn_list": turn_list}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pl.DataFrame(rows, schema=SCHEMA).write_parquet(path)
    return path


def test_scores_are_the_shares_of_the_contract(tmp_path: Path):
    file = write(
        tmp_path / "four.parquet",
        [
            conversation("snnnnn", "......", success=False, unclosed=".uuuuu"),
            conversation("snnncc", "....++", success=True, progress=6, unclosed=".uuu.."),
            conversation("sccc", ".+++", success=True, progress=4),
            conversation("scscsc", ".-.-.-", success=False),
            conversation("", "", success=False),
        ],
    )
    evaluation = evaluate_file(file)
    expected = Score(flagged=0.5, flagged_succeeded=0.5, harm=0.25, recall=0.5, turns_saved=4)
    assert evaluation.all == expected
    assert evaluation.rules["unclosed_tag"] == expected
    assert evaluation.rules["repeat"] == Score(0.25, 0.0, 0.0, 0.5, 1)
    assert evaluation.rules["search"] == Score(0.0, 0.0, 0.0, 0.0, 0)
    assert list(evaluation.rules) == ["unclosed_tag", "repeat", "cycle", "search", "no_action"]


def test_rule_that_only_warns_by_default_is_judged_but_not_part_of_all(tmp_path: Path):
    file = write(tmp_path / "one.parquet", [conversation("nnnnnn", "......", success=False)])
    evaluation = evaluate_file(file)
    assert evaluation.rules["no_action"] == Score(1.0, 0.0, 0.0, 1.0, 1)
    assert evaluation.all.flagged == 0.0


def test_verdict_does_not_depend_on_how_the_conversation_ended(tmp_path: Path):
    lost = conversation("snnnn", ".....", success=False, unclosed=".uuuu")
    won = conversation("snnnn", ".....", success=True, progress=5, unclosed=".uuuu")
    flagged = {
        evaluate_file(write(tmp_path / "row.parquet", [row])).all.turns_saved for row in (lost, won)
    }
    assert flagged == {1}


def test_empty_file_scores_zero(tmp_path: Path):
    evaluation = evaluate_file(write(tmp_path / "none.parquet", []))
    assert evaluation.all == Score(0.0, 0.0, 0.0, 0.0, 0)


def _text(path: Path) -> None:
    path.write_text("not parquet")


def _other_columns(path: Path) -> None:
    pl.DataFrame({"success": [True]}).write_parquet(path)


def _unknown_kind(path: Path) -> None:
    write(path, [conversation("x", ".", success=True)])


def _no_structs(path: Path) -> None:
    pl.DataFrame(
        {"success": [True], "last_new_required_turn": [1], "turn_list": [[1]]}
    ).write_parquet(path)


@pytest.mark.parametrize("make", [_text, _other_columns, _unknown_kind, _no_structs])
def test_file_that_is_not_conversations_is_refused_by_name(
    tmp_path: Path, make: Callable[[Path], None]
):
    path = tmp_path / "bad.parquet"
    make(path)
    with pytest.raises(ValueError, match=r"bad\.parquet"):
        evaluate_file(path)


def test_missing_file_is_an_os_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        evaluate_file(tmp_path / "absent.parquet")


# --------------------------------------------------------------------------- the real conversations


@pytest.fixture(scope="module")
def conversations() -> Path:
    path = Path(os.environ.get("PILOT_CONVERSATIONS", BESIDE))
    if not path.is_file():
        pytest.skip("conversations.parquet is not here: it may not ship with the project")
    return path


@pytest.fixture(scope="module")
def frame(conversations: Path) -> pl.DataFrame:
    return pl.read_parquet(conversations)


@pytest.fixture(scope="module")
def evaluation(conversations: Path) -> Evaluation:
    return evaluate_file(conversations)


def test_all_three_figures_are_beaten_at_once(evaluation: Evaluation):
    assert evaluation.all.recall >= 0.895
    assert evaluation.all.flagged_succeeded <= 0.0025
    assert evaluation.all.harm <= 0.0008


@pytest.mark.parametrize("rule", ["unclosed_tag", "repeat", "cycle", "search"])
def test_each_kill_rule_is_harmless_by_itself(evaluation: Evaluation, rule: rules.LoopRule):
    assert evaluation.rules[rule].flagged_succeeded <= 0.01
    assert evaluation.rules[rule].harm <= 0.0006


@pytest.mark.parametrize("column", ["task_type", "prompt_type", "model"])
def test_no_slice_hides_harm(frame: pl.DataFrame, tmp_path: Path, column: str):
    for (value,), part in frame.filter(pl.col(column).is_not_null()).group_by(column):
        path = tmp_path / "slice.parquet"
        part.write_parquet(path)
        score = evaluate_file(path).all
        succeeded = score.flagged * score.flagged_succeeded
        assert succeeded <= 0.006, f"{value}: flagged but succeeded, of all"
        assert score.harm <= 0.005, f"{value}: harm"


@pytest.mark.parametrize("seed", [1, 2])
def test_halves_agree(frame: pl.DataFrame, tmp_path: Path, seed: int):
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    middle = shuffled.height // 2
    scores: list[Score] = []
    for half in (shuffled[:middle], shuffled[middle:]):
        half.write_parquet(tmp_path / "half.parquet")
        scores.append(evaluate_file(tmp_path / "half.parquet").all)
    assert abs(scores[0].recall - scores[1].recall) < 0.02
    assert all(score.flagged_succeeded < 0.005 and score.harm < 0.0013 for score in scores)


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("UNCLOSED_TAG", Bounds(1, 2)),
        ("UNCLOSED_TAG", Bounds(2, 4)),
        ("REPEAT", Bounds(2, 3)),
        ("REPEAT", Bounds(3, 5)),
        ("IDLE", Bounds(6, 7)),
        ("IDLE", Bounds(6, 9)),
        ("IDLE_LOOKUPS", 3),
        ("LOOKUPS", Bounds(4, 5)),
        ("LOOKUPS", Bounds(5, 7)),
        ("LOOKUPS_DISTINCT", 5),
        ("CYCLE_REPEATS", 3),
        ("PATIENCE", 9),
    ],
)
def test_figures_lie_on_a_plateau(
    conversations: Path,
    evaluation: Evaluation,
    monkeypatch: pytest.MonkeyPatch,
    figure: str,
    value: object,
):
    monkeypatch.setattr(rules, figure, value)
    moved = evaluate_file(conversations).all
    assert abs(moved.recall - evaluation.all.recall) < 0.02
    assert abs(moved.flagged_succeeded - evaluation.all.flagged_succeeded) < 0.003
    assert abs(moved.harm - evaluation.all.harm) < 0.0008
