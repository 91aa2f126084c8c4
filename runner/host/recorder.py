"""Tells the engine of an attempt's calls and adds them up for its row.

Apart from the calls (which know no messages) and from the ctx (which makes none). Everything is
said from executor code's threads, so each entry shuts the gate first.
"""

import time

from runner.core import messages
from runner.core.text import one_line
from runner.host.attempt import Attempt
from runner.host.recording import BackOff, CallEnd

_PER_MILLION = 1e-6


class Recorder:
    """The `runner.host.recording.Recorder` of one attempt.

    Counts a turn for each answered call until the executor opens turns of its own.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._backoff_from: float | None = None
        self.turns_are_opened = False

    def call_started(self, n: int, model: str, stream: bool) -> None:
        """A call begins. The model was named when the attempt was given out."""
        del model
        attempt = self._attempt
        with attempt.gate.shut_for_block():
            attempt.record.calls = n
            attempt.send_shut(messages.CallStarted(time.monotonic(), attempt.id, n, stream))

    def first_byte(self, n: int, wait_s: float) -> None:
        """The first byte of an answer came."""
        attempt = self._attempt
        with attempt.gate.shut_for_block():
            self._back_from_backoff()
            attempt.send_shut(messages.FirstByte(time.monotonic(), attempt.id, n, wait_s))

    def backed_off(self, n: int, backoff: BackOff) -> None:
        """The call failed and is sent again after a wait."""
        attempt = self._attempt
        with attempt.gate.shut_for_block():
            self._back_from_backoff()
            self._backoff_from = backoff.until - backoff.wait_s
            attempt.record.call_retries += 1
            attempt.send_shut(
                messages.BackedOff(
                    time.monotonic(),
                    attempt.id,
                    n,
                    backoff.try_no,
                    backoff.tries,
                    backoff.until,
                    backoff.why,
                    backoff.status,
                    one_line(backoff.text),
                )
            )

    def call_ended(self, n: int, end: CallEnd) -> None:
        """The call is over: counts, cost, and a turn if nobody else counts those."""
        attempt, record = self._attempt, self._attempt.record
        with attempt.gate.shut_for_block():
            self._back_from_backoff()
            tokens_in, tokens_out = end.tokens_in or 0, end.tokens_out or 0
            price = attempt.model.price
            record.tokens_in += tokens_in
            record.tokens_out += tokens_out
            record.cost += _PER_MILLION * (price.in_ * tokens_in + price.out * tokens_out)
            record.api_s += end.latency_s
            now = time.monotonic()
            ended = messages.CallEnded(
                now,
                attempt.id,
                n,
                end.latency_s,
                end.bytes_in,
                end.how,
                -1 if end.tokens_in is None else end.tokens_in,
                -1 if end.tokens_out is None else end.tokens_out,
            )
            if end.how == "ok" and not self.turns_are_opened:
                record.turns += 1
                attempt.send_shut(ended, messages.TurnEnded(now, attempt.id, record.turns, None))
            else:
                attempt.send_shut(ended)

    def _back_from_backoff(self) -> None:
        """Book the back-off that really passed: a kill cuts it short."""
        if self._backoff_from is not None:
            self._attempt.record.backoff_s += time.monotonic() - self._backoff_from
            self._backoff_from = None
