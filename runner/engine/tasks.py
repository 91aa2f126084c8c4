"""The tasks of a run: the lines of a file, times the cells of the matrix, times the models.

Apart from the task file because this half is arithmetic: no task exists before it is asked for, and
a task id is taken apart again to find its place. A million tasks cost what their file costs.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from runner.core.plan import Plan, Task
from runner.engine.task_file import SourceFile
from runner.errors import PlanError, Problem, SourceChanged

Label = str | int | float | bool

TRAITS: Final = ("task_type", "difficulty")
"""Matrix keys that choose among the tasks of the interactive benchmark instead of multiplying."""

_ESCAPES: Final = str.maketrans({"%": "%25", "/": "%2F", "@": "%40"})


def label_text(value: Label) -> str:
    """A matrix value as it stands in a task id; what separates its parts there is escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).translate(_ESCAPES)


class TaskSource:
    """Every task of a plan, by model and place, and back from its id.

    The order within a model is that of the lines; each line goes through all its cells, in the
    order in which the plan lists keys and values (the last key changes fastest, ``instance`` last
    of all), so that a run cut short has about as many tasks of every cell.

    ``only`` keeps tasks by task id, or by source id with all their cells; ``limit`` keeps the first
    tasks in the plan's order; ``shard`` keeps the i-th of n parts of what is left, i from 1. Safe
    for use by several threads.
    """

    def __init__(
        self,
        plan: Plan,
        source: SourceFile,
        *,
        limit: int | None = None,
        only: Sequence[str] = (),
        shard: tuple[int, int] | None = None,
    ) -> None:
        """`PlanError` if matrix, ``only`` or ``shard`` leaves no task, or an id is unknown."""
        self._source = source
        self._models = [model.name for model in plan.models]
        self._traits: dict[int, list[Label]] = {}
        self._axes: list[tuple[str, Sequence[Label]]] = []
        for key, values in plan.tasks.matrix.items():
            if plan.tasks.executor == "interactive" and key in TRAITS:
                self._traits[TRAITS.index(key)] = values
            else:
                self._axes.append((key, values))
        if plan.tasks.instances:
            self._axes.append(("instance", range(1, plan.tasks.instances + 1)))
        self._cells = math.prod(len(values) for _, values in self._axes)
        self._keys = sorted([*plan.tasks.matrix, *(("instance",) if plan.tasks.instances else ())])
        self._plain = len(self._models) == 1 and not self._keys
        self._texts = {
            key: {label_text(value): index for index, value in enumerate(values)}
            for key, values in self._axes
            if key != "instance"
        }
        self._lines = self._chosen_lines()
        self._cached: tuple[int, dict[str, Any]] = (-1, {})
        whole = range(len(self._lines) * self._cells)
        self._picked: list[Sequence[int]] = [whole for _ in self._models]
        if only:
            self._keep_only(only)
        if limit is not None:
            self._keep_first(limit, by_model=plan.run.order == "by-model")
        if shard is not None:
            self._keep_shard(*shard)

    def __len__(self) -> int:
        """How many tasks the run has."""
        return sum(len(picked) for picked in self._picked)

    @property
    def per_model(self) -> int:
        """How many tasks a model has; with ``limit`` or ``only`` the most that any model has."""
        return max(len(picked) for picked in self._picked)

    def count(self, model_index: int) -> int:
        """How many tasks that model has."""
        return len(self._picked[model_index])

    @property
    def digest(self) -> str:
        """The digest of the whole task file."""
        return self._source.digest

    def task(self, model_index: int, k: int) -> Task:
        """The ``k``-th task of a model. `SourceChanged` if the file was edited under the run."""
        at, cell = divmod(self._picked[model_index][k], self._cells)
        place = self._lines[at]
        data = self._data(place)
        source_id, own = data.get("id"), data.get("labels", {})
        if not isinstance(source_id, str) or not isinstance(own, dict):
            raise SourceChanged(f"{self._source.path.name}: task {place + 1} was edited")
        cell_labels = self._cell(cell)
        traits = self._traits_of(place)
        chosen = {TRAITS[column]: traits[TRAITS[column]] for column in self._traits}
        name = self._models[model_index]
        return Task(
            task_id=self._task_id(source_id, name, {**chosen, **cell_labels}),
            id=source_id,
            model=name,
            labels={**traits, **own, **chosen, **cell_labels},
            data=data,
        )

    def find(self, task_id: str) -> tuple[int, int] | None:
        """Model and place of the task with that id; None if the run does not have it."""
        found = self._locate(task_id)
        if found is None:
            return None
        model_index, base = found
        picked = self._picked[model_index]
        k = bisect_left(picked, base)
        return (model_index, k) if k < len(picked) and picked[k] == base else None

    # ----------------------------------------------------------------------------- arithmetic

    def _chosen_lines(self) -> Sequence[int]:
        if not self._traits:
            return range(len(self._source))
        allowed = {
            trait
            for trait in set(self._source.traits)
            if all(trait[column] in values for column, values in self._traits.items())
        }
        lines = [place for place, trait in enumerate(self._source.traits) if trait in allowed]
        if not lines:
            keys = " and ".join(TRAITS[column] for column in self._traits)
            raise PlanError(
                [
                    Problem(
                        file=self._source.path.name,
                        key="tasks.matrix",
                        text=f"no task has the {keys} that the matrix asks for",
                    )
                ]
            )
        return lines

    def _data(self, place: int) -> dict[str, Any]:
        """A line's object. All cells of a line come one after the other, so one is remembered."""
        cached, data = self._cached
        if cached != place:
            data = self._source.data(place)
            self._cached = (place, data)
        return data

    def _traits_of(self, place: int) -> dict[str, Label]:
        if not self._source.traits:
            return {}
        return dict(zip(TRAITS, self._source.traits[place], strict=True))

    def _cell(self, cell: int) -> dict[str, Label]:
        labels: dict[str, Label] = {}
        for key, values in reversed(self._axes):
            cell, index = divmod(cell, len(values))
            labels[key] = values[index]
        return labels

    def _task_id(self, source_id: str, model: str, labels: dict[str, Label]) -> str:
        if self._plain:
            return source_id
        parts = [
            f"{source_id}@{model}",
            *(f"{key}={label_text(labels[key])}" for key in self._keys),
        ]
        return "/".join(parts)

    def _locate(self, task_id: str) -> tuple[int, int] | None:
        """Model and place before ``only`` and ``limit``."""
        if self._plain:
            return self._base(0, task_id, {})
        split = task_id.rfind("@")
        while split > 0:
            source_id, rest = task_id[:split], task_id[split + 1 :]
            for model_index, name in enumerate(self._models):
                texts = self._cell_texts(rest.removeprefix(name)) if rest.startswith(name) else None
                found = None if texts is None else self._base(model_index, source_id, texts)
                if found is not None:
                    return found
            split = task_id.rfind("@", 0, split)
        return None

    def _cell_texts(self, text: str) -> dict[str, str] | None:
        """``/key=value/...`` as a dict, None unless it has exactly the keys of the matrix."""
        parts = text.split("/")
        if parts[0] or len(parts) != len(self._keys) + 1:
            return None
        texts = dict[str, str]()
        for key, part in zip(self._keys, parts[1:], strict=True):
            if not part.startswith(f"{key}="):
                return None
            texts[key] = part.removeprefix(f"{key}=")
        return texts

    def _base(
        self, model_index: int, source_id: str, texts: dict[str, str]
    ) -> tuple[int, int] | None:
        cell = 0
        for key, values in self._axes:
            index = self._value_index(key, texts[key], len(values))
            if index is None:
                return None
            cell = cell * len(values) + index
        place = self._source.find(source_id)
        if place is None:
            return None
        at = bisect_left(self._lines, place)
        if at == len(self._lines) or self._lines[at] != place:
            return None
        for column in self._traits:
            if label_text(self._source.traits[place][column]) != texts[TRAITS[column]]:
                return None
        return model_index, at * self._cells + cell

    def _value_index(self, key: str, text: str, count: int) -> int | None:
        if key != "instance":
            return self._texts[key].get(text)
        known = text.isascii() and text.isdecimal() and text[0] != "0" and len(text) < 12
        return int(text) - 1 if known and int(text) <= count else None

    # ----------------------------------------------------------------------------- subsets

    def _keep_only(self, only: Sequence[str]) -> None:
        kept: list[set[int]] = [set() for _ in self._models]
        problems: list[Problem] = []
        for wanted in only:
            found = self._locate(wanted)
            place = self._source.find(wanted)
            at = len(self._lines) if place is None else bisect_left(self._lines, place)
            if found is not None:
                kept[found[0]].add(found[1])
            elif at < len(self._lines) and self._lines[at] == place:
                for bases in kept:
                    bases.update(range(at * self._cells, (at + 1) * self._cells))
            else:
                problems.append(
                    Problem(file="--task", key=wanted, text="the plan has no such task")
                )
        if problems:
            raise PlanError(problems)
        self._picked = [sorted(bases) for bases in kept]

    def _keep_first(self, limit: int, *, by_model: bool) -> None:
        if limit < 1:
            text = f"must be at least 1, not {limit}"
            raise PlanError([Problem(file="--limit", key="", text=text)])
        counts = [len(picked) for picked in self._picked]
        if by_model:
            before = accumulate(counts, initial=0)
            keep = [max(0, limit - sum_before) for sum_before in before]
        else:
            keep = _deal(counts, limit)
        self._picked = [picked[:n] for picked, n in zip(self._picked, keep, strict=False)]

    def _keep_shard(self, part: int, parts: int) -> None:
        """Deal lines and cells out diagonally: each part gets about as many of every cell."""
        problem = ""
        if not 1 <= part <= parts:
            problem = f"must be I/N with I from 1 to N, not {part}/{parts}"
        else:
            self._picked = [
                [base for base in picked if self._diagonal(base, model) % parts == part - 1]
                for model, picked in enumerate(self._picked)
            ]
            if not len(self):
                problem = f"no task falls to part {part} of {parts}"
        if problem:
            raise PlanError([Problem(file="--shard", key="", text=problem)])

    def _diagonal(self, base: int, model: int) -> int:
        at, cell = divmod(base, self._cells)
        return at + cell + model


class NoTasks:
    """The source of a wrapped script: its tasks are its requests, which nobody knows beforehand."""

    digest = ""

    def __len__(self) -> int:
        """None."""
        return 0

    def count(self, model_index: int) -> int:  # noqa: ARG002 - as of other sources
        """None."""
        return 0

    def task(self, model_index: int, k: int) -> Task:
        """There is none."""
        raise IndexError(model_index, k)

    def find(self, task_id: str) -> tuple[int, int] | None:  # noqa: ARG002 - as of other sources
        """None: a request that is over cannot be asked again."""
        return None


def _deal(counts: Sequence[int], limit: int) -> list[int]:
    """How many each gets when ``limit`` are dealt round and round, nobody more than its count."""

    def dealt(rounds: int) -> int:
        return sum(min(count, rounds) for count in counts)

    rounds = bisect_right(range(max(counts) + 1), limit, key=dealt) - 1
    left = limit - dealt(rounds)
    shares: list[int] = []
    for count in counts:
        extra = 1 if left > 0 and count > rounds else 0
        left -= extra
        shares.append(min(count, rounds) + extra)
    return shares
