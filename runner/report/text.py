"""Tables of a report as text: aligned, Markdown, LaTeX, CSV or JSON; and as Parquet bytes.

Apart from the figures because CSV, JSON and Parquet carry every column as a number, while people
read fewer and wider ones: a rate with its interval in one cell, seconds as durations.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from runner.core.text import count, duration, latency
from runner.past.frames import Frame, pl

Format = Literal["table", "md", "csv", "latex", "json", "parquet"]
FORMATS: Final[tuple[Format, ...]] = ("table", "md", "csv", "latex", "json", "parquet")

_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "_": r"\_",
        "%": r"\%",
        "&": r"\&",
        "#": r"\#",
        "$": r"\$",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)
_WIDE: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "rate": ("rate 95%", ("rate", "low", "high")),
    "latency_p50_s": ("latency p50/95", ("latency_p50_s", "latency_p95_s")),
    "elapsed_p50_s": ("elapsed p50/95", ("elapsed_p50_s", "elapsed_p95_s")),
    "tokens_in": ("tokens in/out", ("tokens_in", "tokens_out")),
}
"""Columns that share a cell: by the first one, the heading and all of them."""
_HEADINGS: Final = {
    "not_scored": "not scored",
    "re_run": "re-run",
    "by_hand": "by hand",
    "hang_s": "hangs",
    "backoff_s": "back-off",
    "loop_s": "loops",
    "overrun_s": "overrun",
}


def summary_text(made: Frame, form: Format) -> str:
    """The groups as text; ``parquet`` is not text, see `parquet_bytes`."""
    if form == "csv":
        return made.write_csv(float_precision=4)
    if form == "json":
        return made.write_json() + "\n"
    return grid(*for_people(made), form)


def parquet_bytes(made: Frame) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    made.write_parquet(file)
    return file.getvalue()


def for_people(made: Frame) -> tuple[list[str], list[list[str]]]:
    """Headings and cells of `summary`, columns that belong together in one cell."""
    heads: list[str] = []
    sources: list[tuple[str, ...]] = []
    merged: set[str] = set()
    for name in made.columns:
        if name in merged:
            continue
        heading, names = _WIDE.get(name) or (_HEADINGS.get(str(name), str(name)), (str(name),))
        merged.update(names)
        heads.append(heading)
        sources.append(names)
    rows = [[_cell(names, row) for names in sources] for row in made.iter_rows(named=True)]
    return heads, rows


def side_by_side(
    names: Sequence[str], tables: Sequence[Frame], by: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: a line a group that any run has, for each run its n and its rate."""
    lines: dict[tuple[Any, ...], dict[int, dict[str, Any]]] = {}
    for place, made in enumerate(tables):
        for row in made.iter_rows(named=True):
            lines.setdefault(tuple(row[name] for name in by), {})[place] = row
    heads = [*by, *(f"{name} {what}" for name in names for what in ("n", "rate 95%"))]
    rows: list[list[str]] = []
    for key in sorted(lines, key=lambda key: tuple((value is None, str(value)) for value in key)):
        cells = [_text(value) for value in key]
        for place in range(len(tables)):
            row = lines[key].get(place)
            cells += ["-", "-"] if row is None else [str(row["n"]), share(row)]
        rows.append(cells)
    return heads, rows


def long_form(names: Sequence[str], tables: Sequence[Frame]) -> Frame:
    """The groups of several runs as one table, its first column ``run``."""
    named = [
        made.select(pl.lit(name).alias("run"), pl.all())
        for name, made in zip(names, tables, strict=True)
    ]
    return pl.concat(named, how="diagonal_relaxed")


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]], form: Format) -> str:
    """Headings and cells as an aligned ``table``, ``md`` or ``latex`` (booktabs)."""
    if form == "md":
        lines = [
            [_md(cell) for cell in heads],
            ["---"] * len(heads),
            *([_md(cell) for cell in row] for row in rows),
        ]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
    if form == "latex":
        return _latex(heads, rows)
    sizes = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = (
        "  ".join(_plain(text).rjust(n) for text, n in zip(line, sizes, strict=True))
        for line in (heads, *rows)
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def share(row: Mapping[str, Any]) -> str:
    """``80.0% (49-94)``: a rate and its interval; ``-`` where nothing was scored."""
    if row["rate"] is None:
        return "-"
    return f"{100 * row['rate']:.1f}% ({100 * row['low']:.0f}-{100 * row['high']:.0f})"


def _latex(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return " & ".join(_plain(cell).translate(_LATEX) for cell in cells) + r" \\"

    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"\toprule",
            line(heads),
            r"\midrule",
            *(line(row) for row in rows),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def _cell(names: tuple[str, ...], row: Mapping[str, Any]) -> str:
    first = names[0]
    if first == "rate":
        return share(row)
    if first == "tokens_in":
        return f"{count(row['tokens_in'])}/{count(row['tokens_out'])}"
    if first.startswith("latency_"):
        return "/".join("-" if row[name] is None else latency(row[name]) for name in names)
    if first.startswith("elapsed_"):
        return "/".join("-" if row[name] is None else duration(row[name]) for name in names)
    if first.endswith("_s") and isinstance(row[first], float):
        return duration(row[first]) if row[first] else "0"
    return _text(row[first])


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _md(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """Labels are hostile: one line, nothing that a terminal obeys."""
    return "".join(c if c.isprintable() else " " for c in text)
