"""The script of a rehearsal: which behaviour each model and each task meets.

Pure, and apart from the server, so that a test can ask the script what will happen to a task and
compare that with what a run has recorded. A script file is TOML or JSON of this shape:

    seed = 7
    default = "ok,latency=0.3"                       # models that are not named below
    [models]
    qwen = "12%silent;8%drip_sse;10%500,times=2;ok"  # shares of tasks, drawn by (seed, task)
    [tasks]
    "t07" = "silent"                                 # a task by its id, or by the part before "@"
"""

from functools import lru_cache
from typing import Self

import msgspec

from runner.rehearse.behaviour import Behaviour, Mix, ScriptError, draw

_PREFIX = "rehearse-"


@lru_cache(maxsize=4096)
def _mix(text: str) -> Mix:
    return Mix.parse(text)


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Behaviours by task (first), by model, and for the rest; all in the text form of `Behaviour`.

    A model name that the script does not know may carry its own mix: `any-name:MIX`, or
    `rehearse-BEHAVIOUR`. Raises ScriptError for a text that does not parse.
    """

    seed: int = 0
    default: str = "ok"
    models: dict[str, str] = {}
    tasks: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Reject a script with a mistake at once, not at the call that meets it."""
        for text in (self.default, *self.models.values(), *self.tasks.values()):
            _mix(text)

    @classmethod
    def decode(cls, data: bytes, *, toml: bool) -> Self:
        """The script in a file's bytes; ScriptError says what is wrong with it."""
        try:
            if toml:
                return msgspec.toml.decode(data, type=cls)
            return msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ScriptError(f"the script cannot be read: {error}") from None

    def behaviour(self, model: str, task: str) -> Behaviour:
        """What the calls of `task` on `model` meet; the same for each call and each run.

        Raises ScriptError if the model name carries a mix that does not parse.
        """
        text = self.tasks.get(task) or self.tasks.get(task.partition("@")[0])
        if text is None:
            text = self._of_model(model)
        return _mix(text).pick(draw(self.seed, "mix", task))

    def _of_model(self, model: str) -> str:
        known = self.models.get(model)
        if known is not None:
            return known
        _, colon, mix = model.partition(":")
        if colon:
            return mix
        if model.startswith(_PREFIX):
            return model.removeprefix(_PREFIX)
        return self.default
