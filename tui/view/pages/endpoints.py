"""Endpoints: a line per model and deployment, with all that is known of each."""

from collections.abc import Callable, Sequence
from typing import Final

from runner import EndpointState, backing_off, count, duration, latency, model_workers, plural
from tui.runview import RunView
from tui.text import clock, fitting, plain
from tui.view.endpoints import limit_words, limited_per_min, lowered, quantiles
from tui.view.line import DIM, HI, TEXT, Ink, Line
from tui.view.table import Cell, Column, cell

COLUMNS: Final = (
    Column("model", 0),
    Column("endpoint", 14, drop=2),
    Column("deployment", 14, drop=9),
    Column("busy", 5, "right"),
    Column("limit", 8, "right", drop=1),
    Column("p50", 7, "right"),
    Column("p95", 7, "right", drop=1),
    Column("429/min", 7, "right"),
    Column("waits", 6, "right", drop=5),
    Column("tok/s", 6, "right", drop=6),
    Column("calls", 7, "right", drop=7),
    Column("errors", 6, "right", drop=4),
    Column("attempts", 8, "right", drop=3),
    Column("no score", 8, "right", drop=8),
)
_Shown = tuple[RunView, EndpointState]
BY: Final[tuple[Callable[[_Shown], str | float], ...]] = (
    lambda shown: shown[1].model,
    lambda shown: shown[1].endpoint,
    lambda shown: shown[1].deployment,
    lambda shown: shown[1].busy,
    lambda shown: model_workers(shown[0].state, shown[1].model),
    lambda shown: quantiles(*shown)[0] or 0.0,
    lambda shown: quantiles(*shown)[1] or 0.0,
    lambda shown: limited_per_min(*shown),
    lambda shown: backing_off(shown[0].state, shown[1]),
    lambda shown: _tokens_per_s(*shown),
    lambda shown: shown[1].calls,
    lambda shown: shown[1].errors,
    lambda shown: shown[1].ended,
    lambda shown: shown[1].not_scored,
)
CHANGEABLE: Final = "qps, max_in_flight, workers, first_byte, idle, call, attempt"
"""What people change in mid-run; any other key of `Limits` and `Watch` is taken as well."""
_MINUTE_S: Final = 60.0
_WINDOW_S: Final = 300.0
_WIDE: Final = 60
"""From so many cells on words are written out."""
_OF_ENDPOINT: Final = ("qps", "max_in_flight")
_OF_MODEL: Final = ("workers",)
_OF_WATCH: Final = ("slow_after", "stuck_after", "heartbeat")


def key_of(name: str, item: EndpointState) -> str:
    """The plan's key that ``name`` means on this line: ``qps`` is ``endpoints.azure.qps``."""
    if "." in name:
        return name
    if name in _OF_ENDPOINT:
        return f"endpoints.{item.endpoint}.{name}"
    if name in _OF_MODEL:
        return f"models.{item.model}.{name}"
    section = "watch" if name in _OF_WATCH else "limits"
    return f"models.{item.model}.{section}.{name}"


def endpoint_cells(view: RunView, item: EndpointState) -> Sequence[Cell]:
    """A cell for each of `COLUMNS`."""
    p50, p95 = quantiles(view, item)
    limited = limited_per_min(view, item)
    waiting = backing_off(view.state, item)
    name = Ink("slow") if item.paused_why else HI
    return (
        cell(plain(item.model, 60), name),
        cell(plain(item.endpoint, 40), DIM),
        cell(plain(item.deployment, 40), DIM),
        cell(str(item.busy), TEXT),
        cell(limit_words(view, item), Ink("slow") if lowered(view, item) else DIM),
        cell(latency(p50), TEXT),
        cell(latency(p95), TEXT),
        cell(str(limited), Ink("backoff") if limited else DIM),
        cell(str(waiting), Ink("backoff") if waiting else DIM),
        cell(f"{_tokens_per_s(view, item):.0f}", DIM),
        cell(count(item.calls), DIM),
        cell(count(item.errors), Ink("not_scored") if item.errors else DIM),
        cell(str(item.ended), TEXT),
        cell(str(item.not_scored), Ink("not_scored") if item.not_scored else DIM),
    )


def _tokens_per_s(view: RunView, item: EndpointState) -> float:
    return sum(n for at, n in item.tokens if at >= view.now - _MINUTE_S) / _MINUTE_S


def _limits(view: RunView, item: EndpointState, cells: int) -> Line:
    """The figures that ``e`` changes."""
    line = Line().add("  limits: ", DIM)
    plan = view.state.plan
    endpoints, models = (plan.endpoints, plan.models) if plan else ((), ())
    place = next((one for one in endpoints if one.name == item.endpoint), None)
    model = next((one for one in models if one.name == item.model), None)
    if place is None or model is None:
        return line.add("not known yet", DIM)
    qps = f"{place.qps:g}" if place.qps else "none"
    flight = str(place.max_in_flight or "none")
    limits = model.limits
    line.add(f"qps {qps}", TEXT).whole(cells, f"   max_in_flight {flight}", TEXT)
    line.whole(cells, f"   workers {model.workers or 'all'}", TEXT)
    for name in ("attempt", "call", "first_byte", "idle"):
        line.whole(cells, f"   {name} {duration(getattr(limits, name))}", TEXT)
    return line


def endpoint_detail(view: RunView, item: EndpointState, cells: int) -> list[Line]:
    """Why it is paused or held back, its limits, who is on it, how its latencies lie."""
    lines: list[Line] = []
    if item.paused_why:
        until = item.paused_until - view.now
        rest = f", goes on in {duration(until)}" if until > 0 else ", until it is asked to go on"
        lines.append(Line().add("  paused: " + plain(item.paused_why, 120) + rest, Ink("slow")))
    if lowered(view, item):
        since = f" since {clock(item.admitted_at)}" if item.admitted_at else ""
        words = f"  held at {model_workers(view.state, item.model)}{since}: "
        lines.append(Line().add(words, Ink("slow")).add(plain(item.admitted_why, 120), TEXT))
    lines.append(_limits(view, item, cells))
    here = [
        f"{worker.worker:03d}"
        for worker in view.state.workers
        if (worker.model, worker.endpoint, worker.deployment)
        == (item.model, item.endpoint, item.deployment)
    ]
    line = Line().add(f"  {plural(len(here), 'worker')} on it: ", DIM)
    lines.append(line.add(fitting(here, cells - line.width - 1, ", "), TEXT))
    seconds = sorted(took for at, took in item.latencies if at >= view.now - _WINDOW_S)
    if seconds:
        spread = f"{latency(seconds[0])} to {latency(seconds[-1])}"
        which = f"  the last {plural(len(seconds), 'call')}, of 5 min at most: "
        if cells < _WIDE:
            which = f"  last {plural(len(seconds), 'call')}: "
        lines.append(Line().add(which, DIM).add(spread, TEXT))
    return lines
