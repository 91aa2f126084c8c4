"""``run``, ``demo``, ``resume``: commands that start an engine and show what it does."""

from pathlib import Path

import click

from runner import RunInfo, command, end_of, engine_alive, one_line, plural
from tui.cli.options import Shard, ascii_option, named, run_argument, runs_dir_option
from tui.cli.showing import has_screen, outcome, show

NOT_RUN = "not run"
"""What `Surprise.got` says of a task that no worker took."""
TOUR = "tour: something hangs. n finds it, x ends it, r runs it again, ? shows all keys"


def overrides_of(
    pairs: tuple[str, ...], workers: int | None = None, seed: int | None = None
) -> dict[str, str]:
    """``KEY=VALUE`` arguments as a mapping; the shorthand options go first."""
    found: dict[str, str] = {}
    if workers is not None:
        found["run.workers"] = str(workers)
    if seed is not None:
        found["run.seed"] = str(seed)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise click.UsageError(f"{pair!r} is not KEY=VALUE, e.g. limits.attempt=600")
        found[key.strip()] = value
    return found


@click.command()
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 4096), help="Instead of run.workers."
)
@click.option("--run-id", metavar="ID", help="Name of the run; made up otherwise.")
@click.option("--headless", is_flag=True, help="Plain lines instead of the dashboard.")
@click.option("--detach", is_flag=True, help="Start it, say where it is, and leave.")
@click.option("--seed", metavar="N", type=int, help="Instead of run.seed.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Only the first N tasks.")
@click.option("--task", "tasks", metavar="ID", multiple=True, help="Only this task; repeatable.")
@click.option("--shard", metavar="I/N", type=Shard(), help="Only the I-th of N parts of the plan.")
@click.option("--set", "pairs", metavar="KEY=VALUE", multiple=True, help="Change a plan key.")
@ascii_option
@runs_dir_option
def run(  # noqa: PLR0913, PLR0917  one parameter an option is click's way
    plan: Path,
    workers: int | None,
    run_id: str | None,
    headless: bool,
    detach: bool,
    seed: int | None,
    limit: int | None,
    tasks: tuple[str, ...],
    shard: tuple[int, int] | None,
    pairs: tuple[str, ...],
    runs_dir: Path,
) -> int:
    """Start a plan and open the dashboard on it.

    PLAN is a file, or a ready plan of the PILOT benchmark: pilot:5.1 to pilot:5.5, which only lack
    models: --set models=NAME,NAME, and --set endpoints.main.base_url=URL for your own server.

    The run goes on when the dashboard is left or the connection drops. Without a terminal it is
    told in plain lines; then Ctrl-C stops the run, and once more ends it at once.
    """
    from runner import launch

    info = launch(
        plan,
        runs_dir=runs_dir,
        overrides=overrides_of(pairs, workers, seed),
        run_id=run_id,
        limit=limit,
        only=tasks,
        shard=shard,
    )
    for note in info.notes:
        click.echo(f"note: {note}", err=True)
    return show(info, headless=headless, detach=detach)


@click.command()
@click.option("--headless", is_flag=True, help="Plain lines; the quick demo, under 50 s.")
@click.option("--quick", is_flag=True, help="The quick demo on the screen too.")
@click.option("--workers", metavar="N", type=click.IntRange(1, 60), default=12, show_default=True)
@click.option("--local-model", is_flag=True, help="A real model on this CPU; needs two packages.")
@ascii_option
@runs_dir_option
def demo(headless: bool, quick: bool, workers: int, local_model: bool, runs_dir: Path) -> int:
    """A complete run with calls that hang, drip, loop and fail; no key, no network.

    Takes about three minutes on the screen. Exit 0 when every task ended as rehearsed. With
    --local-model nothing is rehearsed: exit 0 when every task was scored.
    """
    from runner import start_demo, surprises

    headless = headless or not has_screen()
    if local_model:
        return _demo_local(runs_dir, headless=headless)
    quick = quick or headless
    started = start_demo(runs_dir, quick=quick, workers=workers)
    run_dir = started.info.run_dir
    show(started.info, headless=headless, detach=False, note="" if headless else TOUR)
    if engine_alive(run_dir) and outcome(run_dir) == 0:
        # Its endpoint ends by itself when nobody calls any more.
        click.echo(f"the demo goes on: pilot-tui attach {started.info.run_id}")
        return 0
    started.close()
    wrong = surprises(run_dir, quick=quick)
    left_out = sum(item.got == NOT_RUN for item in wrong)
    for item in wrong:
        if item.got != NOT_RUN:
            click.echo(f"{item.task_id}: {item.got}, rehearsed was {item.wanted}", err=True)
    if left_out:
        click.echo(f"{plural(left_out, 'task')} not run: the demo was ended before", err=True)
    if not wrong:
        click.echo("every task ended as rehearsed")
    return 1 if wrong else 0


def _demo_local(runs_dir: Path, *, headless: bool) -> int:
    from runner import start_local_demo, unscored

    started = start_local_demo(runs_dir)
    run_dir = started.info.run_dir
    show(started.info, headless=headless, detach=False)
    if engine_alive(run_dir) and end_of(run_dir) is None:
        click.echo(f"the demo goes on: pilot-tui attach {started.info.run_id}")
        return 0
    started.close()
    wrong = unscored(run_dir)
    for item in wrong:
        click.echo(f"{item.task_id}: {item.got}", err=True)
    click.echo(f"scored by a real model; what it said: pilot-tui replay {started.info.run_id}")
    return 1 if wrong else 0


@click.command()
@run_argument()
@click.option("--headless", is_flag=True, help="Plain lines instead of the dashboard.")
@click.option("--detach", is_flag=True, help="Start it, say where it is, and leave.")
@click.option(
    "--retry",
    "causes",
    metavar="CAUSES",
    help="Also run tasks again that ended so: outcomes or causes, e.g. timed_out,error:BadResult.",
)
@click.option("--allow-changed", is_flag=True, help="Though plan, source, tools or entry changed.")
@ascii_option
@runs_dir_option
def resume(
    run: str,
    headless: bool,
    detach: bool,
    causes: str | None,
    allow_changed: bool,
    runs_dir: Path,
) -> int:
    """Go on: with a paused run, or with one whose engine is gone.

    Says which of the two it did. A run that is started again is shown like `run`.
    """
    from runner import resume_run

    info: RunInfo = named(run, runs_dir)
    if engine_alive(info.run_dir):
        answer = command(info.run_dir, "resume")
        paused = not answer.get("already")
        click.echo(f"{info.run_id} {'goes on' if paused else 'was not paused; nothing changed'}")
        return 0
    end = end_of(info.run_dir)
    was = f"it was {end.status}" if end else "its engine was gone"
    retry = [part.strip() for part in (causes or "").split(",") if part.strip()]
    again = resume_run(info.run_dir, retry=retry, allow_changed=allow_changed)
    click.echo(f"{info.run_id}: {was}; started again", err=True)
    for note in again.notes:
        click.echo(one_line(note, 200), err=True)
    return show(again, headless=headless, detach=detach)
