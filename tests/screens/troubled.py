"""The four workers in trouble, each told up to now: what held them is what the screens must show.

Apart from `scene`, which tells what happened to all.
"""

from telling import Span, Story

from runner import ev

TALK = (
    ("bash", "grep -rn 'def _eval_is_zero' sympy/core", "I look for where this is decided."),
    ("read", "sympy/core/mul.py 1290-1340", "The product decides it in Mul."),
    ("edit", "sympy/core/mul.py +12 -3", "An infinite factor makes it undecided, not zero."),
    ("bash", "pytest -q sympy/core/tests/test_arit.py", "I check the tests beside it."),
)


def _talk(story: Story, worker: int, attempt_id: str, turn: int, at: float) -> None:
    """What the model said in one turn, and what its tool answered."""
    tool, detail, said = TALK[turn % len(TALK)]
    story.message(worker, attempt_id, turn, at, "assistant", said)
    story.log.add(
        at + 0.01, ev.ToolStarted(attempt_id=attempt_id, worker=worker, tool=tool, detail=detail)
    )
    story.message(worker, attempt_id, turn, at + 0.2, "tool", f"$ {detail}\n(4 lines)\nok")
    story.log.add(
        at + 0.2,
        ev.ToolEnded(attempt_id=attempt_id, worker=worker, tool=tool, ok=True, elapsed_s=0.2),
    )


def _stuck_in_tool(story: Story, worker: int, began: float) -> None:
    now = story.now
    attempt_id = story.start(worker, began, 1, "sympy-20590")
    story.spans.append(Span(worker, attempt_id, began, now, now - 150))
    story.message(worker, attempt_id, 0, now - 245, "user", "Fix sympy-20590. Tests must pass.")
    for turn, took in enumerate((1.1, 0.9, 1.4, 2.1, 0.9, 1.4, 0.6, 0.6, 0.9, 0.6), 1):
        story.call(worker, attempt_id, turn, now - 240 + turn * 9, took)
        if turn < 10:
            _talk(story, worker, attempt_id, turn, now - 240 + turn * 9 + took + 0.05)
    last = "I will run the test suite now."
    story.message(worker, attempt_id, 10, now - 144, "assistant", last)
    story.log.add(
        now - 143,
        ev.ToolStarted(
            attempt_id=attempt_id,
            worker=worker,
            tool="bash",
            detail="docker exec -i c81 make test",
        ),
    )
    story.log.add(
        now - 142,
        ev.ChildChanged(
            attempt_id=attempt_id,
            worker=worker,
            pid=4242,
            born=now - 142,
            command="docker exec -i c81 make test",
            running=True,
        ),
    )
    story.log.add(
        now - 10,
        ev.Sampled(
            attempt_id=attempt_id, worker=worker, cpu=0.0, state="S", frame="subprocess.py:1201"
        ),
    )


def _stalled_stream(story: Story, worker: int, began: float) -> None:
    now = story.now
    attempt_id = story.start(worker, began, 1, "requests-2317")
    story.spans.append(Span(worker, attempt_id, began, now, now - 60))
    story.call(worker, attempt_id, 32, now - 60, 1.3)
    story.log.add(
        now - 50,
        ev.TurnStarted(attempt_id=attempt_id, worker=worker, turn=33, max_turns=50),
    )
    story.log.add(now - 50, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=33, stream=True))
    story.log.add(now - 47.5, ev.FirstByte(attempt_id=attempt_id, worker=worker, n=33, wait_s=2.5))
    story.log.add(
        now - 46,
        ev.Pulse(
            slots=[ev.SlotPulse(worker, "stream", now - 47.5, now - 47, now - 47, 3100)], hosts=[]
        ),
    )


def _no_byte(story: Story, worker: int, began: float) -> None:
    now = story.now
    attempt_id = story.start(worker, began, 1, "flask-4992")
    story.spans.append(Span(worker, attempt_id, began, now, now - 45))
    story.call(worker, attempt_id, 26, now - 40, 0.7)
    story.log.add(now - 26, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=27, stream=True))


def _backing_off(story: Story, worker: int, began: float) -> None:
    now = story.now
    attempt_id = story.start(worker, began, 1, "astropy-7166")
    story.spans.append(Span(worker, attempt_id, began, now, now - 25))
    story.call(worker, attempt_id, 6, now - 60, 1.5)
    story.log.add(now - 20, ev.CallStarted(attempt_id=attempt_id, worker=worker, n=7, stream=True))
    for back in range(11):
        story.log.add(
            now - 18 + back,
            ev.BackedOff(
                attempt_id=attempt_id,
                worker=worker,
                n=7,
                attempt_no=3,
                attempts=5,
                until=now + 12,
                why="rate_limit",
                status=429,
            ),
        )


TROUBLED = {
    82: (246, _stuck_in_tool),
    49: (500, _stalled_stream),
    0: (300, _no_byte),
    29: (200, _backing_off),
}
"""Worker -> for how long its attempt has run, and what holds it."""
