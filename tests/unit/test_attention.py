"""New trouble calls once, and only who is not looking."""

from runner.core.state import WorkerState
from runner.core.verdict import Trouble
from tui.attention import BELL, Attention


def stuck(*attempts: str) -> list[Trouble]:
    """Workers that are stuck, one for each attempt."""
    return [
        Trouble(WorkerState(worker=number, attempt_id=name), "stuck", 20.0)
        for number, name in enumerate(attempts)
    ]


def test_new_trouble_calls_once_while_the_terminal_is_not_looked_at() -> None:
    attention = Attention()
    assert attention.call([], "all well", blurred=True) == ""
    said = attention.call(stuck("1-1"), "1 STUCK", blurred=True)
    assert said.startswith(BELL)
    assert "1 STUCK" in said
    assert attention.call(stuck("1-1"), "1 STUCK", blurred=True) == ""
    assert attention.call(stuck("1-1", "1-2"), "2 STUCK", blurred=True)


def test_nobody_is_called_who_looks_at_it_and_slow_is_no_trouble() -> None:
    attention = Attention()
    assert attention.call(stuck("1-1"), "1 STUCK", blurred=False) == ""
    assert attention.call(stuck("1-1"), "1 STUCK", blurred=True) == ""
    slow = [Trouble(WorkerState(worker=3, attempt_id="1-9"), "slow", 9.0)]
    assert attention.call(slow, "1 slow", blurred=True) == ""


def test_a_hostile_sentence_cannot_end_the_notice_early() -> None:
    said = Attention().call(stuck("1-1"), "x\x1b\\\x1b]0;owned\x07", blurred=True)
    assert said.count("\x1b") == 2
    assert said.count("\a") == 1
