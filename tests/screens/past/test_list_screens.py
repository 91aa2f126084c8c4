"""The screens beside the fleet, on a real run folder, through the real app and live source."""

import time

import pytest
from rows_on_disk import row, write
from stage import Stage, harmless, on_stage

from runner import ev

SIZES = [
    pytest.param((80, 24), id="80x24"),
    pytest.param((120, 40), id="120x40"),
    pytest.param((200, 60), id="200x60"),
]
EVIL = "ev\x1b[2Jil\u202e\u200b\x07"


@pytest.fixture
def night(make_run):
    """A run in which enough went wrong: a hang, a kill, 429s, a full disk, a changed limit."""
    maker = make_run("night-1", workers=4)
    maker.engine()
    maker.wait(1)
    a = maker.begin(0, "silent-" + EVIL)
    maker.emit(ev.CallStarted(attempt_id=a, worker=0, n=1, stream=True))
    b = maker.begin(1, "works")
    for n in range(1, 8):
        maker.call(1, b, n, 1.0)
        maker.emit(
            ev.BackedOff(
                attempt_id=b,
                worker=1,
                n=n,
                attempt_no=1,
                attempts=5,
                until=maker.at + 0.5,
                why="rate_limit",
                status=429,
                text=EVIL,
            )
        )
    maker.wait(23)
    maker.end(0, a, "timed_out", "deadline:first_byte", then="requeued")
    maker.emit(ev.KillRequested(attempt_id=b, origin="me"))
    maker.end(1, b, "killed", "killed:user")
    maker.emit(ev.RowsFailed(error="the disk is full", waiting=2))
    maker.wait(9).emit(ev.RowsRecovered(waited_s=9))
    plan = maker.made[0].plan
    maker.emit(
        ev.PlanChanged(
            key="limits.attempt", old="300", new="900", now=False, origin="uid 1000", plan=plan
        )
    )
    maker.begin(2, "open-task")
    outcomes = ("passed", "failed", "errored", "timed_out")
    write(
        maker.run_dir,
        [
            row(
                n,
                f"task-{n:02}",
                outcomes[n % 4],
                model=("qwen", "mini")[n % 2],
                prompt_type=("optimal", "flawed")[n // 2 % 2],
                elapsed_s=float(n),
                error=EVIL if n % 4 > 1 else "",
            )
            for n in range(1, 41)
        ],
    )
    return maker


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param("2", ("ENDPOINTS 2", "qwen", "429/min"), id="endpoints"),
        pytest.param("3", ("RESULTS 40", "task-01", "passed"), id="results"),
        pytest.param("4", ("INCIDENTS", "hang, 1 worker, azure first byte"), id="incidents"),
        pytest.param("5", ("ERRORS", "rate_limit 429", "the disk is full"), id="errors"),
        pytest.param("6", ("REPORT 40", "Wilson 95 %", "optimal"), id="report"),
        pytest.param("0", ("RUNS 1", "night-1", "lost"), id="runs"),
        pytest.param("L", ("LIMITS", "limits.attempt", "changed"), id="limits"),
    ],
)
def test_each_screen_shows_its_list_and_nothing_drives_the_terminal(night, size, key, words):
    async def play(stage: Stage) -> None:
        await stage.press(key)
        await stage.until(*words)
        for _ in range(3):
            await stage.press("down")
        await stage.press("end", "pageup", "home")
        assert harmless(stage)
        assert all(len(line) <= size[0] for line in stage.lines)
        assert "q leave" in stage.lines[-1]
        await stage.press("escape")
        await stage.until("FLEET")

    on_stage(night.run_dir, size, play)


def test_results_are_found_sorted_and_opened(night):
    async def play(stage: Stage) -> None:
        await stage.press("3")
        await stage.until("RESULTS 40")
        stage.app.screen.find("state:failed qwen")  # type: ignore[attr-defined]
        await stage.until("RESULTS 0")
        stage.app.screen.find("state:failed mini")  # type: ignore[attr-defined]
        await stage.until("RESULTS 10")
        await stage.press("left", "left", "left", "left")
        await stage.until("took↓")
        deadline = time.monotonic() + 10
        while "task-37" not in next((line for line in stage.lines if "task-" in line), ""):
            assert time.monotonic() < deadline, stage.text  # the head tells of it before the rows
            await stage.pilot.pause(0.05)
        await stage.press("escape")
        await stage.until("RESULTS 40")
        await stage.press("enter")
        await stage.until("talk")

    on_stage(night.run_dir, (120, 40), play)


def test_an_incident_is_replayed_from_ten_seconds_before_and_esc_comes_back(night):
    async def play(stage: Stage) -> None:
        await stage.press("4")
        await stage.until("hang, 1 worker")
        await stage.press("end")
        while "hang" not in stage.lines[-6] + stage.lines[-5] + stage.lines[-4]:
            await stage.press("up")
        await stage.press("enter")
        await stage.until("FLEET", "REPLAY", "space play")
        assert stage.app.view.kind == "replay"
        assert abs(stage.app.view.now - (night.made[0].at + 1 + 5 - 10)) < 20
        await stage.press("escape")
        await stage.until("FLEET", "engine gone")
        assert stage.app.view.kind == "attach"

    on_stage(night.run_dir, (120, 40), play)


def test_who_changed_a_limit_is_said(night):
    async def play(stage: Stage) -> None:
        await stage.press("L")
        await stage.until("uid 1000")
        line = next(line for line in stage.lines if "uid 1000" in line)
        assert "limits.attempt" in line

    on_stage(night.run_dir, (120, 40), play)


def test_a_run_without_anything_is_no_error(make_run):
    maker = make_run("fresh")
    maker.engine()

    async def play(stage: Stage) -> None:
        for key, words in (
            ("3", "none saved yet"),
            ("4", "none so far"),
            ("5", "none so far"),
            ("6", "no task has ended yet"),
        ):
            await stage.press(key)
            await stage.until(words)

    on_stage(maker.run_dir, (80, 24), play)


def test_a_damaged_part_is_said_on_the_screen(night):
    part = next((night.run_dir / "results").iterdir())
    part.write_bytes(part.read_bytes()[:200])

    async def play(stage: Stage) -> None:
        await stage.press("3")
        await stage.until("RESULTS 0", "Arrow")
        await stage.press("4")  # the thread that met it goes on
        await stage.until("hang, 1 worker")

    on_stage(night.run_dir, (120, 40), play)
