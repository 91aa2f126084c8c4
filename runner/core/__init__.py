"""The pure core: what happened, what it means, what should be done next.

Nothing here reads a clock, a file or a socket, and nothing here starts a thread; time comes in with
each event or call. The import rules in ``pyproject.toml`` keep it so.
"""
