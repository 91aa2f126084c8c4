"""The ``interactive`` executor: prepare, run and score one task of the PILOT benchmark.

Apart from what it puts together (`protocol`, `tools`, `prompts`, `score`) so that the turn itself
can be read on one page. ``run`` makes its case again from the task: building one takes well under a
millisecond from the shared library, and nothing hidden passes from phase to phase.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from runner.core.loops import TurnFeatures, TurnResult, signature
from runner.host.bench import library, prompts
from runner.host.bench.chat import RESERVED_PARAMS, ask
from runner.host.bench.conversation import Conversation, shown
from runner.host.bench.ctx import Context, TaskLike
from runner.host.bench.index import ToolIndex
from runner.host.bench.library import BenchTask, Library
from runner.host.bench.protocol import Action, parse, parse_functions, says_complete
from runner.host.bench.score import CallFact, Facts, judge
from runner.host.bench.steps import Step
from runner.host.bench.tools import UNKNOWN_TOOL, ToolSimulation
from runner.host.bench.workflow import BadLabel, Variant, build, to_variant

DEFAULT_SUCCESS_RATE: Final = 0.8


class _Registry(NamedTuple):
    library: Library
    tools: ToolIndex


class _Case(NamedTuple):
    """Everything that is fixed before the first turn."""

    task: BenchTask
    registry: _Registry
    variant: Variant
    steps: tuple[Step, ...]
    success_rate: float


def _open_registry(path: str | None) -> _Registry:
    tools = library.load_tools(path)
    return _Registry(tools, ToolIndex(tools))


_registries: Final = library.Shared[_Registry](_open_registry)


def prepare(task: TaskLike, ctx: Context) -> None:
    """Check the task and its labels and load what all workers of this process share.

    Raises LibraryError or BadLabel, which name what is wrong.
    """
    reserved = sorted(RESERVED_PARAMS.intersection(ctx.params))
    if reserved:
        raise BadLabel(f"params must not set {', '.join(reserved)}")
    _case(task, ctx)


def run(task: TaskLike, ctx: Context) -> dict[str, Any]:
    """Let the model work until every required tool succeeded, it says so, or turns run out.

    Returns the facts that `score` judges (`Facts` as a dict). Raises ContentFilter when the
    endpoint refuses; errors of the client pass through.
    """
    return msgspec.to_builtins(_Session(_case(task, ctx), ctx).play())


def score(task: TaskLike, ctx: Context, result: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the facts of `run` into outcome, score and columns."""
    registry = _registries.get(ctx.tools_path)
    facts = msgspec.convert(dict(result), Facts)
    return judge(library.to_task(task.data, registry.library), registry.library, facts)


def _case(task: TaskLike, ctx: Context) -> _Case:
    registry = _registries.get(ctx.tools_path)
    checked = library.to_task(task.data, registry.library)
    variant = to_variant(
        ctx.label("prompt_type", "baseline"),
        ctx.label("flaw", ""),
        ctx.label("severity", "medium"),
    )
    rate = ctx.label("tool_success_rate", DEFAULT_SUCCESS_RATE)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
        raise BadLabel(f"tool_success_rate = {str(rate)[:100]!r}: expected a number from 0 to 1")
    steps = build(checked, registry.library, variant, ctx.seed)
    return _Case(checked, registry, variant, steps, float(rate))


class _Session:
    """The turns of one attempt."""

    def __init__(self, case: _Case, ctx: Context) -> None:
        self._case = case
        self._ctx = ctx
        self._tools = ToolSimulation(case.registry.library, ctx.seed, case.success_rate)
        self._required = frozenset(case.task.required_tools)
        self._invalid_in_a_row = 0
        self._facts = Facts(
            prompt_type=case.variant.prompt_type,
            flaw=case.variant.flaw or "",
            severity=case.variant.severity or "",
            tool_success_rate=case.success_rate,
            protocol=ctx.protocol,
        )
        self._talk = Conversation(
            prompts.system(ctx.protocol, ctx.max_turns),
            prompts.user(case.task, case.variant, case.steps),
        )
        self._functions = prompts.functions() if ctx.protocol == "functions" else []

    def play(self) -> Facts:
        """Take turns until one of the three ends."""
        facts = self._facts
        self._say(self._talk.messages)
        while facts.turns < self._ctx.max_turns:
            self._ctx.check()
            facts.turns += 1
            said = self._turn()
            if self._all_required_ok() and self._ctx.ends_when_done:
                facts.ended, facts.done = "done", True
                break
            if said:
                facts.ended = "said"
                break
        facts.messages = self._talk.record()
        return facts

    def _turn(self) -> bool:
        """One request, its action, and the answer to it; True if the model says it is complete."""
        with self._ctx.turn() as turn:
            reply = ask(self._ctx, self._talk.messages, self._functions)
            functions = bool(self._functions)
            action = parse_functions(reply.calls, reply.text) if functions else parse(reply.text)
            self._note_form(action)
            said = action.kind == "none" and not reply.calls and says_complete(reply.text)
            answer, result = self._act(action, said=said)
            self._say(self._talk.add(reply, answer))
            written = reply.text or " ".join(
                f"{call.name} {call.arguments}" for call in reply.calls
            )
            turn.features(
                TurnFeatures(
                    kind=action.kind,
                    signature=_signature(action, written),
                    result=result,
                    unclosed_tag=action.unclosed_tag,
                    all_required_ok=self._all_required_ok(),
                    chars=len(written),
                )
            )
        return said

    def _all_required_ok(self) -> bool:
        return self._required.issubset(self._tools.succeeded)

    def _say(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            self._ctx.say(message["role"], shown(message))

    def _note_form(self, action: Action) -> None:
        counts = self._facts.format_errors
        for issue in action.format_issues:
            counts[issue] = counts.get(issue, 0) + 1
        if action.format_issues:
            read = f"read as {action.kind}" if action.kind != "none" else "not run"
            issues = ", ".join(action.format_issues)
            self._ctx.log(f"turn {self._facts.turns}: malformed reply ({issues}), {read}")

    def _act(self, action: Action, *, said: bool) -> tuple[str, TurnResult]:
        """Carry the action out; what to answer, and what became of the tool."""
        tools = self._case.registry.library
        facts = self._facts
        if action.kind == "none":
            if said:
                facts.completion_said = True
                return "", "none"
            facts.invalid_replies += 1
            self._invalid_in_a_row += 1
            return prompts.invalid(action, self._ctx.protocol, self._invalid_in_a_row), "none"
        self._invalid_in_a_row = 0
        if action.kind == "search":
            facts.searches += 1
            best = self._case.registry.tools.search(action.argument)
            return prompts.found(action.argument, best, tools) + prompts.hint(action), "none"
        if action.kind == "tool_info":
            facts.tool_infos += 1
            tool = tools.find(action.argument)
            return prompts.described(action.argument, tool, tools) + prompts.hint(action), "none"
        return self._call(action)

    def _call(self, action: Action) -> tuple[str, TurnResult]:
        facts = self._facts
        arguments = prompts.data(dict(action.args)) if action.args else ""
        with self._ctx.tool(action.argument, arguments=arguments) as tool:
            result = self._tools.call(action.argument, action.args)
            if not result.ok:
                tool.failed(result.error)
        for issue in result.issues:
            facts.argument_errors[issue] = facts.argument_errors.get(issue, 0) + 1
        facts.tool_calls.append(
            CallFact(facts.turns, result.tool, result.ok, result.error, len(arguments))
        )
        became: TurnResult = "ok" if result.ok else "failed"
        if result.error == UNKNOWN_TOOL:
            became = "none"
        return prompts.ran(result) + prompts.hint(action), became


def _signature(action: Action, written: str) -> str:
    """The action with its arguments; where there is none, the whole reply."""
    if action.kind == "none":
        return signature("none", written)
    arguments = prompts.data(dict(sorted(action.args.items()))) if action.args else ""
    return signature(action.kind, f"{action.argument} {arguments}")
