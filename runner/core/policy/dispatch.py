"""Which task starts next, and how many of each model may run at once.

The plan is the queue: a task that was never started is a position in the source, not an object, so
a plan of a million tasks costs nothing here. Tasks that are queued again stand before them.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from runner.core.plan import Model, Task


class Source(Protocol):
    """Random access to the tasks of a plan, by model."""

    def count(self, model_index: int) -> int:
        """How many tasks the model has."""
        ...

    def task(self, model_index: int, k: int) -> Task:
        """The ``k``-th task of a model."""
        ...


class Queue:
    """Pending tasks of all models, taken one by one.

    ``skip`` says whether a task of the source is not to be started (done, or open already): it is
    asked when the cursor reaches the task.
    """

    def __init__(
        self, models: Iterable[Model], order: str, source: Source, skip: Callable[[str], bool]
    ) -> None:
        self._models = tuple(models)
        self._order = order
        self._source = source
        self._skip = skip
        self._cursor = [0] * len(self._models)
        self._again: list[deque[Task]] = [deque() for _ in self._models]
        self._alone: deque[Task] = deque()
        self._turn = 0
        self._index = {model.name: index for index, model in enumerate(self._models)}
        self._peeked: list[Task | None] = [None] * len(self._models)

    def again(self, task: Task, *, first: bool = True, alone: bool = False) -> None:
        """Queue a task another time: before all others, or to run alone in a host."""
        if alone:
            self._alone.append(task)
        elif first:
            self._again[self._index[task.model]].appendleft(task)
        else:
            self._again[self._index[task.model]].append(task)

    def first(self, task_id: str) -> bool:
        """Move a task that is queued again to the very front; False if it is not among them."""
        for waiting in (self._alone, *self._again):
            for task in waiting:
                if task.task_id == task_id:
                    waiting.remove(task)
                    waiting.appendleft(task)
                    return True
        return False

    def take(self, may_start: Callable[[Model], bool]) -> Task | None:
        """The next task of a model that ``may_start``; None if there is none now.

        What is queued again comes first, of whatever model. Then ``interleaved`` goes round the
        models; ``by-model`` takes the first that has any: a priority, not a barrier.
        """
        count = len(self._models)
        start = self._turn if self._order == "interleaved" else 0
        may = [
            index
            for index in ((start + step) % count for step in range(count))
            if may_start(self._models[index])
        ]
        for index in may:
            if self._again[index]:
                return self._again[index].popleft()
        for index in may:
            task = self._peek(index)
            if task is not None:
                self._peeked[index] = None
                self._turn = (index + 1) % count
                return task
        return None

    def take_alone(self) -> Task | None:
        """The next task that must have a host to itself."""
        return self._alone.popleft() if self._alone else None

    @property
    def alone_waiting(self) -> int:
        """How many tasks wait for a host to themselves."""
        return len(self._alone)

    def empty(self) -> bool:
        """Whether nothing is left to start."""
        if self._alone or any(self._again):
            return False
        return all(self._peek(index) is None for index in range(len(self._models)))

    def _peek(self, index: int) -> Task | None:
        while self._peeked[index] is None and self._cursor[index] < self._source.count(index):
            task = self._source.task(index, self._cursor[index])
            self._cursor[index] += 1
            if not self._skip(task.task_id):
                self._peeked[index] = task
        return self._peeked[index]
