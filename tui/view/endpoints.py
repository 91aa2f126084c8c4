"""Endpoints in the head of the run screen: a line each, or one line for all on a small screen."""

from runner import EndpointState, backing_off, duration, latency, model_workers, quantile
from tui.glyphs import Glyphs
from tui.runview import RunView
from tui.text import cut, pad, plain
from tui.view.line import DIM, EDGE, TEXT, Ink, Line

_MINUTE_S = 60.0
_WINDOW_S = 300.0
_WHILE_PAUSED = ("busy", "limit")


def shown_endpoints(view: RunView) -> list[EndpointState]:
    """All model x deployment lines, in the plan's order."""
    return list(view.state.endpoints.values())


def endpoint_lines(view: RunView, glyphs: Glyphs, cells: int, lines: int) -> list[Line]:
    """Heads and ``lines`` rows; the last says how many more there are."""
    found = shown_endpoints(view)
    rows = [_row(view, glyphs, item, cells) for item in found[:lines]]
    if len(found) > lines > 0:
        more = len(found) - lines + 1
        rows[-1] = Line().add(f" {more} more: press 2", DIM, "screen:2")
    rows += [Line() for _ in range(lines - len(rows))]
    return [_head(cells), *rows]


def _columns(cells: int) -> tuple[tuple[str, int], ...]:
    """(head, cells) after model and endpoint."""
    wide = (("busy", 6), ("limit", 8), ("latency p50/p95", 18), ("429/min", 9))
    if cells < 100:
        return (("busy", 5), ("limit", 7), ("p50/p95", 13), ("429/min", 8), ("attempts", 10))
    return (*wide, ("backing off", 13), ("speed", 8), ("attempts", 10), ("no score", 10))


def _names(cells: int) -> tuple[int, int]:
    return (14, 11) if cells < 100 else (18, 14) if cells < 160 else (30, 22)


def _head(cells: int) -> Line:
    model, endpoint = _names(cells)
    line = Line().add(" " + pad("model", model) + pad("endpoint", endpoint), DIM)
    for head, size in _columns(cells):
        line.add(pad(head, size, "right"), DIM)
    return line


def _row(view: RunView, glyphs: Glyphs, item: EndpointState, cells: int) -> Line:
    model, endpoint = _names(cells)
    several = sum(1 for e in view.state.endpoints.values() if e.model == item.model) > 1
    name = f"{item.endpoint}/{item.deployment}" if several else item.endpoint
    line = Line().add(" " + pad(plain(item.model, 60), model - 1, more=glyphs.more) + " ", TEXT)
    line.add(pad(plain(name, 60), endpoint - 1, more=glyphs.more) + " ", DIM)
    values = _values(view, item)
    for head, size in _columns(cells):
        if item.paused_why and head not in _WHILE_PAUSED:
            break  # the reason takes the room of figures that do not change
        text, ink = values[head]
        line.add(pad(text, size, "right"), ink)
    if item.paused_why:
        line.add("  " + _pause_words(view, item), Ink("slow"))
    elif lowered(view, item):
        line.add("  " + plain(item.admitted_why, 60), Ink("slow"))
    return line


def _pause_words(view: RunView, item: EndpointState) -> str:
    left = item.paused_until - view.now
    how = f"rests {duration(left)}: " if left > 0 else "paused: "
    return how + plain(item.paused_why, 80)


def planned_workers(view: RunView, model: str) -> int:
    """The most workers that the plan gives a model."""
    models = view.state.plan.models if view.state.plan else ()
    planned = next((item.workers for item in models if item.name == model), 0)
    return min(view.state.target_workers, planned or view.state.target_workers)


def lowered(view: RunView, item: EndpointState) -> bool:
    """Whether fewer workers are let in than the plan gives, because the endpoint asks for less."""
    return model_workers(view.state, item.model) < planned_workers(view, item.model)


def limit_words(view: RunView, item: EndpointState) -> str:
    """``30``, or ``50->30`` where the endpoint's own answers brought it down."""
    now = model_workers(view.state, item.model)
    return f"{planned_workers(view, item.model)}->{now}" if lowered(view, item) else str(now)


def _values(view: RunView, item: EndpointState) -> dict[str, tuple[str, Ink]]:
    p50, p95 = quantiles(view, item)
    limited = limited_per_min(view, item)
    waiting = backing_off(view.state, item)
    quantile_words = f"{latency(p50)}/{latency(p95)}" if p50 is not None else ""
    speed = _speed(view, item)
    return {
        "busy": (str(item.busy), TEXT),
        "limit": (limit_words(view, item), Ink("slow") if lowered(view, item) else DIM),
        "latency p50/p95": (quantile_words, TEXT),
        "p50/p95": (quantile_words, TEXT),
        "429/min": (str(limited) if limited else "0", Ink("backoff") if limited else DIM),
        "backing off": (str(waiting), Ink("backoff") if waiting else DIM),
        "speed": (speed, DIM),
        "attempts": (str(item.ended), TEXT),
        "no score": (str(item.not_scored), Ink("not_scored") if item.not_scored else DIM),
    }


def quantiles(view: RunView, item: EndpointState) -> tuple[float | None, float | None]:
    """p50 and p95 of the calls of the last five minutes, seconds; as of this second."""

    def work() -> tuple[float | None, float | None]:
        recent = [call for call in item.latencies if call[0] >= view.now - _WINDOW_S]
        return quantile(recent, 0.5), quantile(recent, 0.95)

    name = ("quantiles", item.model, item.endpoint, item.deployment)
    return view.each_second(name, bool(item.latencies), work)


def limited_per_min(view: RunView, item: EndpointState) -> int:
    """429 answers of the last minute."""
    return sum(1 for at in item.limited_at if at >= view.now - _MINUTE_S)


def _speed(view: RunView, item: EndpointState) -> str:
    """Tokens a second as a share of this endpoint's best; plain where no best is known."""

    def work() -> float:
        return sum(number for at, number in item.tokens if at >= view.now - _MINUTE_S)

    name = ("tokens", item.model, item.endpoint, item.deployment)
    tokens = view.each_second(name, bool(item.tokens), work) / _MINUTE_S
    if item.best_tokens_per_s > 0:
        return f"{min(100.0, 100 * tokens / item.best_tokens_per_s):.0f}%"
    return f"{tokens:.0f} t/s" if tokens >= 1 else ""


def endpoint_summary(view: RunView, glyphs: Glyphs, cells: int) -> Line:
    """All endpoints on one line, the first ones whole: ``qwen 40 1.3s | o4-mini 30 of 50``."""
    line = Line()
    found = shown_endpoints(view)
    parts = [_short(view, item, glyphs, plain(item.model, 40)) for item in found]
    families = [plain(item.model.partition("-")[0], 12) for item in found]
    if sum(part.width + 3 for part in parts) > cells and len(set(families)) == len(found):
        pairs = zip(found, families, strict=True)
        parts = [_short(view, item, glyphs, name) for item, name in pairs]
    for position, part in enumerate(parts):
        more = len(found) - position - 1
        if line.width + part.width + 3 + (10 if more else 0) > cells and position:
            line.add(f" {glyphs.divide} {more + 1} more: 2", DIM, "screen:2")
            break
        line.add(f" {glyphs.divide} " if position else " ", EDGE).extend(part)
    return line


def _short(view: RunView, item: EndpointState, glyphs: Glyphs, name: str) -> Line:
    p50, _ = quantiles(view, item)
    most = model_workers(view.state, item.model)
    line = Line().add(cut(name, 12, glyphs.more), DIM)
    line.add(f" {item.busy}", TEXT)
    if most != item.busy:
        line.add(f" of {most}", DIM)
    if p50 is not None:
        line.add(f" {latency(p50)}", TEXT)
    limited = limited_per_min(view, item)
    if limited:
        line.add(f" 429: {limited}/min", Ink("backoff"))
    if item.paused_why:
        line.add(" paused", Ink("slow"))
        if item.paused_until > view.now:
            line.add(f" {duration(item.paused_until - view.now)}", Ink("slow"))
    return line
