"""The program's entry: one group of commands, and one place where errors become words and codes.

Apart from the commands so that none of them catches anything: a `PilotError` carries its text and
its exit code, and no traceback reaches a person for bad input.
"""

import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from runner import PilotError, one_line
from tui.cli import asking, making, orders, reports, running, watching, wrapping
from tui.cli.doctor import doctor
from tui.cli.notify import notify
from tui.cli.options import COMMON, ascii_option, runs_dir_option

USAGE: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
PIPE_CLOSED: Final = 128 + signal.SIGPIPE
UNWRITTEN: Final = os.EX_IOERR
"""What was to be printed was not, e.g. because the disk that output goes to is full."""
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class ReaderLeft(Exception):
    """Nobody reads our output any more."""


class Sections(click.Group):
    """A group whose help lists its commands under headings, in the order of a run's life."""

    sections: Final[dict[str, Sequence[str]]] = {
        "Run": ("run", "wrap", "demo", "resume", "check", "init"),
        "Watch": ("attach", "replay", "ls", "status", "wait", "incidents"),
        "Steer": ("kill", "retry", "pause", "stop", "workers", "set"),
        "Judge": ("report", "verify", "doctor", "import"),
        "More": ("notify", "rehearse", "loops", "themes"),
    }

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command. click would turn a closed pipe into exit code 1, which is taken."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeft from error

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """One list a heading."""
        for heading, names in self.sections.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(120)) for name in names]
                )


def _print_version(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if not asked or ctx.resilient_parsing:
        return
    # 25 ms that only this option needs.
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("pilot-tui")
    except PackageNotFoundError:
        found = "0 (not installed)"
    click.echo(f"pilot-tui {found}")
    ctx.exit()


@click.group(
    cls=Sections,
    invoke_without_command=True,
    context_settings=COMMON,
    epilog="RUN is an id, a unique prefix of one, a path, or latest. "
    "Exit codes: 0 every task scored, 1 some not, 2 bad plan or arguments, 3 stopped or lost.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
@ascii_option
@runs_dir_option
@click.pass_context
def pilot(ctx: click.Context, runs_dir: Path) -> None:
    """Run long LLM-agent benchmarks, watch every worker, end what hangs.

    Without a command: your runs. Without a terminal: their list.
    """
    if ctx.invoked_subcommand is None:
        watching.home(runs_dir)


for _command in (
    *(running.run, wrapping.wrap, running.demo, running.resume, making.check, making.init),
    *(watching.attach, watching.replay, asking.ls, asking.status, asking.wait),
    *(orders.kill, orders.retry, orders.pause, orders.stop, orders.workers, orders.set_),
    *(reports.report, reports.verify, doctor, reports.incidents),
    *(making.rehearse, making.import_, reports.loops, making.themes, notify),
):
    pilot.add_command(_command)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    fill_streams()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a stand-in, never a traceback.
        getattr(stream, "reconfigure", _nothing)(errors="replace")
    sys.exit(_run(args))


def _nothing(**_settings: Any) -> None:
    """A stream that was replaced by something simpler needs no setting."""


def fill_streams() -> None:
    """Open what a caller has closed (``>&-``): else the next file opened would be our output."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(handle, True)
            setattr(sys, name, os.fdopen(handle, mode, encoding="utf-8", closefd=False))
            assert handle == number


def _run(args: Sequence[str] | None) -> int:
    code: object = 0
    try:
        code = pilot.main(args, prog_name="pilot-tui", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return USAGE
    except PilotError as error:
        _say(str(error))
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except (ReaderLeft, BrokenPipeError):
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        return _of_system(error) or (code if isinstance(code, int) else 0) or UNWRITTEN
    return code if isinstance(code, int) else 0


def _of_system(error: OSError) -> int:
    """Say what the system refused; 0 where only our output was, which is no fault of a run."""
    if error.filename:
        _say(f"{error.filename}: {error.strerror}")
    elif error.errno in _NO_ROOM:
        _say(f"the output cannot be written: {error.strerror}")
        _drop_output()
        return 0
    elif error.errno == errno.ENOENT:
        _say("the folder that you are in is not there any more: change to another one")
    else:
        _say(str(error))
    return USAGE


def _drop_output() -> None:
    """What could not be printed is not tried again at exit, where Python would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _say(text: str) -> None:
    for line in text.splitlines() or [""]:
        click.echo(f"pilot-tui: {one_line(line, 2000)}", err=True)
