"""Result rows in real Parquet, by the schema that the engine writes."""

from pathlib import Path

from runner.core.rows import Row
from runner.engine.results.schema import to_table


def row(number: int, task: str, outcome: str = "passed", **fields) -> Row:
    made = {
        "run_id": "r",
        "task_id": task,
        "attempt": 1,
        "attempt_id": f"{task}.{number}",
        "model": "qwen",
        "deployment": "d",
        "endpoint": "azure",
        "outcome": outcome,
        "started_at": 1_780_000_000.25 + number,
        "elapsed_s": 1.0,
        "worker": 0,
        "host": 0,
    }
    return Row(**{**made, **fields})


def write(run_dir: Path, rows: list[Row]) -> Path:
    """One part with all rows."""
    import pyarrow.parquet as pq

    folder = run_dir / "results"
    folder.mkdir(parents=True)
    pq.write_table(
        to_table(rows), folder / f"r-{1:08}-{len(rows):08}.parquet", write_page_checksum=True
    )
    return run_dir
