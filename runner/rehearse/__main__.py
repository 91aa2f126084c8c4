"""`python -m runner.rehearse`: the endpoint as a program of its own.

Prints one line of JSON, {"port", "pid"}, when it accepts connections. Exit 2: bad arguments,
an unreadable script or a port that is taken, with one line about it on standard error.
"""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from runner.rehearse.behaviour import ScriptError
from runner.rehearse.script import Script
from runner.rehearse.server import Leash, serve


def main() -> int:
    """Run the endpoint as the command line says; returns the exit code."""
    options = _parser().parse_args()
    try:
        script = _script(options.script, options.seed)
        serve(script, options.port, ready=_announce, leash=_leash(options))
    except (OSError, ScriptError, OverflowError) as error:
        sys.stderr.write(f"rehearse: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runner.rehearse", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument(
        "--script", default="", help="TOML or JSON file; - reads one line of JSON from stdin"
    )
    parser.add_argument("--seed", type=int, default=None, help="overrides the script's seed")
    parser.add_argument("--parent-pid", type=int, default=0, help="stop when this process ends")
    parser.add_argument("--idle-exit", type=float, default=0, help="stop after so many idle s")
    parser.add_argument("--stdin-guard", action="store_true", help="stop when stdin is closed")
    return parser


def _leash(options: argparse.Namespace) -> Leash:
    return Leash(
        parent_pid=options.parent_pid,
        idle_exit_s=options.idle_exit,
        stdin=options.stdin_guard,
    )


def _script(source: str, seed: int | None) -> Script:
    if source == "-":
        script = Script.decode(_first_line(), toml=False)
    elif source:
        path = Path(source)
        script = Script.decode(path.read_bytes(), toml=path.suffix != ".json")
    else:
        script = Script()
    return script if seed is None else msgspec.structs.replace(script, seed=seed)


def _first_line() -> bytes:
    """A line of standard input, unbuffered: what follows belongs to the stdin guard."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return bytes(line)


def _announce(port: int) -> None:
    sys.stdout.write(msgspec.json.encode({"port": port, "pid": os.getpid()}).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
