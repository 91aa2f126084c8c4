"""A row: what the host measured and what the log knows, in one; the same wherever it is made."""

from typing import Any

import msgspec
import pytest
from support.story import Story

from runner.core import events as ev
from runner.core.plan import Task
from runner.core.rows import Record, Row, complete
from runner.engine.rowing import record_of, row_of

CONTRACT = """
run_id task_id attempt attempt_id model deployment endpoint task_type prompt_type difficulty
tool_success_rate flaw instance labels outcome cause score success_level required_coverage in_order
turns calls call_retries tokens_in tokens_out cost started_at elapsed_s api_s backoff_s tool_s
tool_calls loop_turn worker host error extra messages
"""


def made(record: Record | None = None, **task: Any) -> Row:
    story = Story()
    attempt = story.runs()
    story.emit(
        ev.CallEnded(
            attempt_id=attempt,
            worker=0,
            n=1,
            latency_s=1,
            bytes=1,
            how="ok",
            tokens_in=7,
            tokens_out=3,
            cost=0.25,
        )
    )
    return row_of(
        run_id="r1",
        task=Task(task_id="t1", id="t1", model="m", **task),
        worker=story.worker(),
        outcome="passed",
        cause="",
        elapsed_s=2.0,
        record=record or Record(score=1.0, turns=4),
    )


def test_a_row_has_the_columns_of_the_contract_in_its_order() -> None:
    assert list(Row.__struct_fields__) == CONTRACT.split()


def test_what_was_measured_and_what_is_known_come_together() -> None:
    row = made()
    assert (row.run_id, row.task_id, row.attempt_id, row.worker) == ("r1", "t1", "t1.1", 0)
    assert (row.model, row.endpoint, row.deployment) == ("m", "e", "d")
    assert (row.score, row.turns, row.elapsed_s) == (1.0, 4, 2.0)
    assert row.cost == 0.25


def test_columns_come_from_labels_first_then_from_the_task_itself() -> None:
    labels = {"prompt_type": "flawed_missing_step", "instance": 3, "tool_success_rate": 0.8}
    row = made(labels=labels, data={"difficulty": "easy", "prompt_type": "other"})
    assert (row.prompt_type, row.difficulty, row.task_type) == ("flawed_missing_step", "easy", "")
    assert (row.flaw, row.instance, row.tool_success_rate) == ("missing_step", 3, 0.8)
    assert row.labels == {
        "prompt_type": "flawed_missing_step",
        "instance": "3",
        "tool_success_rate": "0.8",
    }


@pytest.mark.parametrize("value", [True, "3", 1.5])
def test_a_label_of_another_type_is_no_instance(value: Any) -> None:
    assert made(labels={"instance": value}).instance is None


def test_a_column_that_the_task_leaves_null_is_empty() -> None:
    assert made(data={"difficulty": None}).difficulty == ""


def test_without_a_host_the_row_holds_what_the_log_knows() -> None:
    story = Story()
    attempt = story.runs()
    story.calls(attempt, n=2)
    story.emit(ev.TurnStarted(attempt_id=attempt, worker=0, turn=5))
    record = record_of(story.worker(), "the host died")
    assert (record.turns, record.calls, record.error) == (5, 2, "the host died")
    assert record.score is None


def test_every_measured_field_reaches_the_row() -> None:
    assert set(Record.__struct_fields__) <= set(Row.__struct_fields__)
    row = complete(Record(api_s=1.5), {**msgspec.structs.asdict(made()), "api_s": 9})
    assert row.api_s == 9, "identity wins"
