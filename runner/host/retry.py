"""Whether and when a failed call is sent again: pure policy, no clock, no socket.

Apart from the transport so that each rule can be tested by numbers, and so that the blocking and
the async client cannot differ. Reports behind the rules: retries without bound wedged runs for days
(hang zoo 1, 2), promised caps that were not kept (3), Retry-After of 55 hours obeyed (59).
"""

import math
import random
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from runner.core.plan import Limits

ErrorKind = Literal["rate_limit", "server", "connection", "timeout"]

FIRST_WAIT_S: Final = 0.5
SAME_BODY_LIMIT: Final = 3
"""The same error body this often in a row is an answer, not a disturbance."""

RETRIES_COUNT: Final = "retries:count"
RETRIES_TOTAL: Final = "retries:total"


@dataclass(frozen=True, slots=True)
class Wait:
    """Send again after `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Do not send again. `cause` is None for an error that is not retried at all."""

    cause: str | None


def kind_of_status(status: int, should_retry: str | None = None) -> ErrorKind | None:
    """The class of an HTTP status; None if sending the same again cannot help.

    `should_retry` is the server's own x-should-retry header, which can only forbid: what the plan
    retries is not for a server to widen.
    """
    if should_retry == "false":
        return None
    if status == 429:
        return "rate_limit"
    if status in {408, 409} or status >= 500:
        return "server"
    return None


def parse_retry_after(
    value: str | None, now_unix: float, millis: str | None = None
) -> float | None:
    """Seconds that Retry-After asks for: a number, or an HTTP date; None if absent or nonsense.

    `millis` is the retry-after-ms header of OpenAI and Azure, which is more precise and goes first.
    """
    for text, scale in ((millis, 0.001), (value, 1.0)):
        if text is None:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    if value is None:
        return None
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_unix)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def next_wait(
    kind: ErrorKind | None,
    try_no: int,
    retry_after: float | None,
    spent_s: float,
    rng: random.Random,
    limits: Limits,
    same_body: int = 1,
) -> Wait | GiveUp:
    """What follows after try `try_no` (from 1) failed with an error of `kind`.

    `spent_s` is the back-off that this attempt has spent so far, `same_body` how many tries in a
    row ended with this very body. Waits double from 0.5 s with 25 % jitter; a Retry-After is
    honoured with up to 10 % on top (so that 100 workers do not return at the same instant); nothing
    exceeds `limits.retry_wait`.
    """
    if kind is None or kind not in limits.retry_on:
        return GiveUp(None)
    if try_no > limits.retries or same_body >= SAME_BODY_LIMIT:
        return GiveUp(RETRIES_COUNT)
    if retry_after is None:
        # The exponent is bounded: 2.0 ** 1100 would raise.
        seconds = FIRST_WAIT_S * 2.0 ** min(try_no - 1, 30) * rng.uniform(0.75, 1.25)
    else:
        seconds = retry_after * rng.uniform(1.0, 1.1)
    seconds = min(seconds, limits.retry_wait)
    if spent_s + seconds > limits.retry_total:
        return GiveUp(RETRIES_TOTAL)
    return Wait(seconds)
