"""The task library and the tool registry: their schema, and reading them with good errors.

Apart from the executor because ``check`` reads them too, before anything runs. The built-in files
lie in ``data/``; users bring their own with ``source`` and ``tools``. Every problem of a file is
collected before `LibraryError` is raised.
"""

import difflib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

import msgspec
from msgspec import Meta

from runner.errors import PlanError, Problem

DATA: Final = Path(__file__).parent / "data"
BUILT_IN_TASKS: Final = DATA / "tasks.jsonl"
BUILT_IN_TOOLS: Final = DATA / "tools.json"

T = TypeVar("T")

TaskType: TypeAlias = Literal[
    "simple_task", "basic_task", "data_pipeline", "api_integration", "multi_stage_pipeline"
]
Difficulty: TypeAlias = Literal["very_easy", "easy", "medium", "hard", "very_hard"]
ValueType: TypeAlias = Literal["string", "number", "integer", "boolean", "array", "object"]
Text = Annotated[str, Meta(min_length=1)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.\-]{0,99}$")]


class Parameter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An argument of a tool."""

    name: Text
    type: ValueType
    description: str
    required: bool = True


class Returned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value that a tool returns."""

    name: Text
    type: ValueType
    description: str


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way in which a tool fails."""

    code: Text
    description: str


class Tool(msgspec.Struct, frozen=True):
    """A tool of the registry. ``output`` marks one that delivers a result to somebody."""

    name: Name
    category: Text
    description: Text
    parameters: tuple[Parameter, ...]
    returns: tuple[Returned, ...]
    errors: Annotated[tuple[Fault, ...], Meta(min_length=1)]
    dependencies: tuple[str, ...] = ()
    output: bool = False


class BenchTask(msgspec.Struct, frozen=True):
    """A task of the library. Keys that are not ours (``labels``, a user's own) are passed over."""

    id: Text
    description: Text
    required_tools: Annotated[tuple[str, ...], Meta(min_length=1, max_length=6)]
    task_type: TaskType = "basic_task"
    difficulty: Difficulty = "medium"
    test_input: Any = None
    expected_output: Any = None

    def input_fields(self) -> Mapping[str, Any]:
        """``test_input`` by field; empty where it is not an object."""
        given: object = self.test_input
        return cast("dict[str, Any]", given) if isinstance(given, dict) else {}


class LibraryError(PlanError):
    """A tool registry, task library or single task that cannot be used; holds all problems."""


class Library:
    """The tools of a run by name, in file order. Never changed: all workers of a host share it."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools: Final[Mapping[str, Tool]] = {tool.name: tool for tool in tools}

    def find(self, name: str) -> Tool | None:
        """The tool of that name; case and surrounding white space do not count."""
        return self.tools.get(name) or self.tools.get(name.strip().lower())

    def nearest(self, name: str, limit: int = 3) -> list[str]:
        """Names that look like ``name``, the most similar first.

        A long name is cut, because difflib takes quadratic time.
        """
        return difflib.get_close_matches(name[:100].lower(), self.tools, limit, 0.5)

    def categories(self) -> list[str]:
        """All categories, sorted."""
        return sorted({tool.category for tool in self.tools.values()})


def load_tools(path: str | None = None) -> Library:
    """Read a tool registry (a JSON array of tools), the built-in one for None.

    Raises LibraryError with every problem, OSError if the file cannot be read.
    """
    file, data = _read(path, BUILT_IN_TOOLS)
    try:
        parts = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LibraryError([_problem(file, _line_of(error, data), "$", str(error))]) from None
    tools: list[tuple[int, Tool]] = []
    problems: list[Problem] = []
    position = 0
    for part in parts:
        position = data.index(bytes(part), position)
        line = data.count(b"\n", 0, position) + 1
        try:
            tools.append((line, msgspec.json.decode(part, type=Tool)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(_problem(file, line, *_key_and_text(error)))
    library = Library([tool for _, tool in tools])
    problems.extend(_tool_problems(file, tools, library, whole=not problems))
    if not tools and not problems:
        problems.append(_problem(file, None, "$", "no tools"))
    if problems:
        raise LibraryError(problems)
    return library


def load_tasks(path: str | None = None, library: Library | None = None) -> list[BenchTask]:
    """Read a task library (one JSON object a line), the built-in one for None.

    With ``library`` the required tools are checked against it. Raises LibraryError with every
    problem, OSError if the file cannot be read.
    """
    file, data = _read(path, BUILT_IN_TASKS)
    tasks: list[BenchTask] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for line, source in enumerate(data.splitlines(), 1):
        if not source.strip():
            continue
        try:
            task = msgspec.json.decode(source, type=BenchTask)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            problems.append(_problem(file, line, *_key_and_text(error)))
            continue
        if task.id in seen:
            problems.append(
                _problem(file, line, "id", f"{task.id!r} is in line {seen[task.id]} too")
            )
        seen.setdefault(task.id, line)
        if library is not None:
            problems.extend(_task_problems(file, line, task, library))
        tasks.append(task)
    if not tasks and not problems:
        problems.append(_problem(file, None, "$", "no tasks"))
    if problems:
        raise LibraryError(problems)
    return tasks


def to_task(data: Mapping[str, Any], library: Library) -> BenchTask:
    """Check one source object, as a task arrives at a host; LibraryError if it is not a task."""
    file = f"task {data.get('id', '?')}"
    try:
        task = msgspec.convert(dict(data), BenchTask)
    except msgspec.ValidationError as error:
        raise LibraryError([_problem(file, None, *_key_and_text(error))]) from None
    problems = list(_task_problems(file, None, task, library))
    if problems:
        raise LibraryError(problems)
    return task


class Shared(Generic[T]):
    """Makes a thing once for each tool registry and lets all workers of the process share it."""

    def __init__(self, make: Callable[[str | None], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: dict[str | None, T] = {}

    def get(self, path: str | None) -> T:
        """The thing for the registry at ``path``; a run never changes its registry."""
        with self._lock:
            if path not in self._made:
                self._made[path] = self._make(path)
            return self._made[path]


def _read(path: str | None, built_in: Path) -> tuple[str, bytes]:
    file = built_in if path is None else Path(path)
    return file.name if path is None else path, file.read_bytes()


def _tool_problems(
    file: str, tools: Sequence[tuple[int, Tool]], library: Library, *, whole: bool
) -> Iterator[Problem]:
    """What the schema cannot see. ``whole``: every tool was read, so names can be resolved."""
    seen: dict[str, int] = {}
    for line, tool in tools:
        if tool.name in seen:
            text = f"{tool.name!r} is in line {seen[tool.name]} too"
            yield _problem(file, line, "name", text)
        seen.setdefault(tool.name, line)
        for key, names in (
            ("parameters", [one.name for one in tool.parameters]),
            ("errors", [one.code for one in tool.errors]),
            ("dependencies", list(tool.dependencies)),
        ):
            if len(set(names)) < len(names):
                yield _problem(file, line, key, f"{tool.name!r} names one of them twice")
        for name in tool.dependencies if whole else ():
            if name == tool.name:
                yield _problem(file, line, "dependencies", f"{name!r} depends on itself")
            elif name not in library.tools:
                yield _problem(file, line, "dependencies", *_unknown_tool(name, library))


def _task_problems(
    file: str, line: int | None, task: BenchTask, library: Library
) -> Iterator[Problem]:
    required = task.required_tools
    if len(set(required)) < len(required):
        yield _problem(file, line, "required_tools", "a tool is named twice")
    for position, name in enumerate(required):
        key = f"required_tools[{position}]"
        tool = library.tools.get(name)
        if tool is None:
            yield _problem(file, line, key, *_unknown_tool(name, library))
            continue
        for late in set(tool.dependencies).intersection(required[position:]):
            yield _problem(file, line, key, f"{name!r} stands before {late!r}, which it depends on")


def _problem(file: str, line: int | None, key: str, text: str, hint: str = "") -> Problem:
    return Problem(file=file, line=line, key=key, text=text, hint=hint)


def _unknown_tool(name: str, library: Library) -> tuple[str, str]:
    near = library.nearest(name, 1)
    return f"unknown tool {name[:100]!r}", f"did you mean {near[0]}?" if near else ""


def _key_and_text(error: Exception) -> tuple[str, str]:
    """Split msgspec's "what is wrong - at `$.path`" into the key and the text."""
    text, found, path = str(error).partition(" - at `")
    return (path.rstrip("`").removeprefix("$").removeprefix(".") or "$" if found else "$"), text


def _line_of(error: Exception, data: bytes) -> int:
    """The line of msgspec's "(byte N)", 1 where it names none."""
    digits = str(error).rpartition("(byte ")[2].rstrip(")")
    return data.count(b"\n", 0, int(digits)) + 1 if digits.isdecimal() else 1
