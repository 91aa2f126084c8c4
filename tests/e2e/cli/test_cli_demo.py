"""The demo without a terminal: what a newcomer's `make demo` does in CI."""

import time
from pathlib import Path

import psutil
import pytest
from support.commands import Pilot
from support.running import Watched, checked


@pytest.mark.timeout(120)
def test_the_headless_demo_ends_as_rehearsed_in_time(
    pilot: Pilot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy")
    began = time.monotonic()
    said = pilot("demo", "--headless", timeout_s=100)
    assert said.code == 0, said.out + said.err
    assert time.monotonic() - began < 50
    assert said.out.splitlines()[-1] == "every task ended as rehearsed"
    (run_dir,) = (tmp_path / "runs").glob("demo-*")
    checked(Watched(run_dir))
    (made,) = pilot("report", run_dir, "--json").json
    assert [(group["model"], group["n"]) for group in made["groups"]] == [
        ("deep-r1", 30),
        ("swift-72b", 30),
    ]
    assert servers_of(run_dir.name) == []


def servers_of(run_id: str) -> list[int]:
    """Endpoints that still play for this demo."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(f"{run_id}/script.json" in part for part in process.info["cmdline"] or [])
    ]
