"""Threads that executor code starts belong to its attempt.

Apart because it changes ``threading`` for the whole process: a new thread runs in a copy of its
starter's context, and so does each job given to a thread pool. So guarded clients find their scope
there, prints their attempt, and processes started there are ended with it. (Python does the same by
itself from 3.14 on, free-threaded builds only.)
"""

import contextvars
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from typing import Any

from runner.host import attempt as attempts


def install() -> None:
    """Do it, once per process."""
    threading.Thread.start = _inheriting_start(threading.Thread.start)
    ThreadPoolExecutor.submit = _inheriting_submit(ThreadPoolExecutor.submit)


def _inheriting_start(start: Callable[[threading.Thread], None]) -> Any:
    @wraps(start)
    def inheriting(thread: threading.Thread) -> None:
        attempt = attempts.current.get()
        if attempt is not None:
            context, run = contextvars.copy_context(), thread.run
            thread.run = lambda: context.run(run)
            attempt.helpers.append(weakref.ref(thread))
        start(thread)

    return inheriting


def _inheriting_submit(submit: Callable[..., "Future[Any]"]) -> Any:
    @wraps(submit)
    def inheriting(
        pool: ThreadPoolExecutor, job: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> "Future[Any]":
        if attempts.current.get() is None:
            return submit(pool, job, *args, **kwargs)
        # A pool outlives attempts: the job's context counts, not the one of the pool's thread.
        return submit(pool, contextvars.copy_context().run, job, *args, **kwargs)

    return inheriting
