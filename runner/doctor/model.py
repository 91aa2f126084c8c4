"""What a look at processes found: plain facts, and what could not be read.

Apart from those who gather and judge, because text, Markdown and JSON are all made from this.
"""

from typing import Literal

from msgspec import Struct, field

Class = Literal["idle-hung", "busy", "progressing", "memory-starved", "idle"]
"""``idle``: nothing moves, and nothing says that it should."""


class Unread(Struct, frozen=True):
    """A fact that could not be read: why, and the command that would tell it."""

    what: str
    why: str
    command: str


class Connections(Struct, frozen=True):
    """TCP connections of a process. Ages are None where the kernel does not tell them."""

    states: dict[str, int] = {}
    waits_s: float | None = None
    """The longest time for which an ESTABLISHED connection has brought nothing."""
    heard_s: float | None = None
    """Seconds since the last byte that came on any of them; None if none ever did."""
    remote: str = ""
    """The peer that most of them lead to, ``address:port``."""


class Process(Struct, frozen=True, kw_only=True):
    """One process as the kernel sees it. ``problem`` is empty if it could be read."""

    pid: int
    role: str = ""
    parent: int = 0
    started_at: float = 0.0
    uid: int = -1
    command: str = ""
    state: str = ""
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    threads: int = 0
    connections: Connections = Connections()
    output: str = ""
    """Where standard error goes: a file's name, ``/dev/null``, ``pipe``; empty: not read."""
    problem: str = ""


class Data(Struct, frozen=True, kw_only=True):
    """What a folder of results shows about the time since something was last saved."""

    folder: str
    files: int = 0
    newest: str = ""
    newest_age_s: float | None = None
    empty_folders: list[str] = []
    stale_tmp: int = 0
    oldest_tmp_age_s: float = 0.0


class Machine(Struct, frozen=True):
    """The machine that all of it runs on."""

    cores: int
    memory_bytes: int
    available_bytes: int


class Cause(Struct, frozen=True):
    """One reason, in a fixed word for scripts and a sentence with its figures."""

    kind: Literal["memory", "crowding", "no_limit", "hidden_errors", "not_saved"]
    text: str


class Stack(Struct, frozen=True):
    """Where the threads of one process are, as py-spy tells it."""

    pid: int
    text: str


class ForeignDiagnosis(Struct, kw_only=True):
    """What ``doctor --pid`` and ``--match`` print. ``hung`` is the exit code: 1 if true."""

    verdict: str
    kind: Class
    hung: bool
    causes: list[Cause]
    evidence: list[str]
    processes: list[Process]
    data: Data | None = None
    stacks: list[Stack] = field(default_factory=list[Stack])
    unread: list[Unread] = field(default_factory=list[Unread])
    next: str = ""
    """The command to type next; empty where nothing is to be done."""

    @property
    def there(self) -> list[Process]:
        """Those that could be looked at."""
        return [process for process in self.processes if process.command]
