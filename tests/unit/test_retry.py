"""The policy of call retries, by numbers."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.plan import Limits
from runner.host.retry import (
    GiveUp,
    Wait,
    kind_of_status,
    next_wait,
    parse_retry_after,
)

KINDS = ["rate_limit", "server", "connection", "timeout"]


def wait(kind: Any = "server", try_no: int = 1, **more: Any) -> Wait | GiveUp:
    spent = more.pop("spent_s", 0.0)
    after = more.pop("retry_after", None)
    same = more.pop("same_body", 1)
    return next_wait(kind, try_no, after, spent, random.Random(7), Limits(**more), same)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, "rate_limit"),
        (500, "server"),
        (502, "server"),
        (529, "server"),
        (408, "server"),
        (409, "server"),
        (400, None),
        (401, None),
        (403, None),
        (404, None),
        (422, None),
        (200, None),
    ],
)
def test_classes_of_statuses(status: int, kind: str | None) -> None:
    assert kind_of_status(status) == kind
    assert kind_of_status(status, "false") is None


def test_waits_double_with_jitter() -> None:
    for try_no in range(1, 6):
        decision = wait(try_no=try_no)
        assert isinstance(decision, Wait)
        base = 0.5 * 2 ** (try_no - 1)
        assert 0.75 * base <= decision.seconds <= 1.25 * base


def test_retry_after_is_honoured_but_capped() -> None:
    decision = wait("rate_limit", retry_after=20.0)
    assert isinstance(decision, Wait)
    assert 20 <= decision.seconds <= 22
    assert wait("rate_limit", retry_after=198_300.0) == Wait(60)


def test_what_runs_out_is_named() -> None:
    assert wait(try_no=6) == GiveUp("retries:count")
    assert wait(retries=0) == GiveUp("retries:count")
    assert wait(spent_s=179.9) == GiveUp("retries:total")
    assert wait(same_body=3) == GiveUp("retries:count")
    assert isinstance(wait(same_body=2), Wait)


def test_what_the_plan_does_not_retry_is_an_ordinary_error() -> None:
    assert wait("timeout") == GiveUp(None)
    assert isinstance(wait("timeout", retry_on=("timeout",)), Wait)
    assert wait("server", retry_on=("timeout",)) == GiveUp(None)
    assert wait(None) == GiveUp(None)


@given(
    kind=st.sampled_from(KINDS),
    try_no=st.integers(1, 10_000),
    after=st.none() | st.floats(0, 1e9),
    spent=st.floats(0, 1e4),
    retries=st.integers(0, 10_000),
    cap=st.floats(0.001, 1e4),
    total=st.floats(0.001, 1e4),
)
def test_no_wait_breaks_its_bounds(
    kind: Any,
    try_no: int,
    after: float | None,
    spent: float,
    retries: int,
    cap: float,
    total: float,
) -> None:
    limits = Limits(retries=retries, retry_wait=cap, retry_total=total, retry_on=tuple(KINDS))
    decision = next_wait(kind, try_no, after, spent, random.Random(1), limits)
    if isinstance(decision, Wait):
        assert 0 <= decision.seconds <= cap
        assert spent + decision.seconds <= total
        assert try_no <= retries
    else:
        assert decision.cause in {"retries:count", "retries:total"}


@pytest.mark.parametrize(
    ("value", "millis", "seconds"),
    [
        ("7", None, 7.0),
        ("0.25", None, 0.25),
        (None, "1500", 1.5),
        ("7", "1500", 1.5),
        ("-3", None, 0.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", None, 30.0),
        ("Wed, 21 Oct 2026 07:27:00 GMT", None, 0.0),
        ("soon", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("7", "x", 7.0),
        (None, None, None),
    ],
    ids=str,
)
def test_retry_after_in_all_its_forms(
    value: str | None, millis: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(value, 1792567680.0, millis) == seconds


@given(st.text())
def test_a_hostile_retry_after_does_not_raise(value: str) -> None:
    seconds = parse_retry_after(value, 0.0)
    assert seconds is None or seconds >= 0
