"""The python executor: functions of the user's own module (and of the built-in benchmark).

Apart from `perform`, which says when they run: here is where they come from and how one is called,
``async`` ones included.
"""

import asyncio
import importlib
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Protocol

from runner.core.plan import Plan
from runner.host import attempt as attempts
from runner.host.scope import Aborted, Scope

INTERACTIVE: Final = "runner.host.bench.executor:run"


@dataclass(frozen=True, slots=True)
class Executor:
    """The functions of an executor; the optional ones are None where the module has none."""

    run: Callable[..., Any]
    prepare: Callable[..., Any] | None = None
    score: Callable[..., Any] | None = None


class Source(Protocol):
    """Where attempts get their executor from."""

    def load(self, scope: Scope) -> Executor:
        """The executor, after a wait that the scope can end."""
        ...


class NoExecutorError(Exception):
    """``entry`` names no module or function that can be run; the text says what is missing."""


class Loader:
    """Imports the entry once per host; attempts that come meanwhile wait under their scope."""

    def __init__(self, entry: str, folder: str) -> None:
        self._entry = entry
        self._folder = folder
        self._found: Executor | None = None
        self._loading = False
        self._changed = threading.Condition()

    def load(self, scope: Scope) -> Executor:
        """The executor. Whatever the import raises passes through; the next attempt tries again."""
        while True:
            with self._changed:
                if self._found is not None:
                    return self._found
                mine, self._loading = not self._loading, True
            if mine:
                break
            scope.wait_for(self._changed, lambda: not self._loading)
        try:
            self._found = found = self._import()
        finally:
            with self._changed:
                self._loading = False
                self._changed.notify_all()
        return found

    def _import(self) -> Executor:
        module_name, _, function = self._entry.partition(":")
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)
        module = importlib.import_module(module_name)
        run = getattr(module, function or "run", None)
        if not callable(run):
            raise NoExecutorError(f"{module_name} has no function {function or 'run'!r}")
        return Executor(run, _optional(module, "prepare"), _optional(module, "score"))


def _optional(module: ModuleType, name: str) -> Callable[..., Any] | None:
    found = getattr(module, name, None)
    return found if callable(found) else None


def entry_of(plan: Plan) -> str:
    """``module:function`` of the plan's executor."""
    return INTERACTIVE if plan.tasks.executor == "interactive" else plan.tasks.entry


def call(function: Callable[..., Any], scope: Scope, *args: object) -> Any:
    """Call executor code; a coroutine runs to its end in an event loop of its own."""
    result = function(*args)
    return _run(result, scope) if inspect.iscoroutine(result) else result


def _run(coroutine: Coroutine[Any, Any, Any], scope: Scope) -> Any:
    """Run a coroutine; the scope's end cancels it.

    Not asyncio.run: that waits for the default executor's threads, one of which may never end
    (hang zoo 64). Tasks that outlive the main one are cancelled and given one round.
    """
    loop = asyncio.new_event_loop()
    attempt = attempts.current.get()
    try:
        if attempt is not None:
            attempt.coroutine = coroutine
        task = loop.create_task(coroutine)
        with scope.on_cancel(lambda: _cancel(loop, task)):
            try:
                return loop.run_until_complete(task)
            except asyncio.CancelledError:
                if scope.reason is not None:
                    raise Aborted(scope.reason) from None
                raise
    finally:
        if attempt is not None:
            attempt.coroutine = None
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def _cancel(loop: asyncio.AbstractEventLoop, task: "asyncio.Task[Any]") -> None:
    try:
        loop.call_soon_threadsafe(task.cancel)
    except RuntimeError:
        return  # the loop was closed at this very moment: there is nothing left to cancel
