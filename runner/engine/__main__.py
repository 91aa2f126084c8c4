"""``python -m runner.engine RUN_DIR``: the engine's own process.

It leaves its parent at once and has a session of its own, so that a terminal that closes does not
reach it. It says ``ready`` or what is wrong as one JSON line on descriptor ``--ready-fd``.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

from runner.errors import PilotError


def _say(handle: int, **fields: str) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        os.write(handle, json.dumps(fields).encode() + b"\n")
        os.close(handle)


def main() -> int:
    """Run the engine; its exit code is the run's."""
    parser = argparse.ArgumentParser(prog="python -m runner.engine")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--ready-fd", type=int, default=2)
    parser.add_argument("--index-fd", type=int, help="what the launcher found in the task file")
    options = parser.parse_args()
    if os.fork():
        os._exit(0)  # whoever launched it has no child left to wait for
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    from runner.engine.boot import Engine, handed_over

    try:
        engine = Engine(options.run_dir, handed_over(options.index_fd))
    except (PilotError, OSError) as error:
        _say(options.ready_fd, error=str(error), kind=type(error).__name__)
        return error.exit_code if isinstance(error, PilotError) else 3
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: engine.signalled(got))
    _say(options.ready_fd, ready=str(os.getpid()))
    return engine.run()


if __name__ == "__main__":
    sys.exit(main())
