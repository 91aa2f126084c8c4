"""The command line: `pilot-tui`, also `python -m tui`.

A thin door: each command asks `runner` and prints. What a command does not need is not loaded, so
`status` costs no table library and `--help` no screen library.
"""

from tui.cli.entry import main

__all__ = ["main"]
