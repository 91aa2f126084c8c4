"""The pictures in screenshots/ show the screens as they are: `make screens` renews them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOME = (
    "run-120x40-dark",
    "run-80x24-light",
    "cards-120x40-dark",
    "kill-120x40-dark",
    "replay-120x40-dark",
    "phone-40x12-dark",
    "attempt-120x40-dark",
    "endpoints-120x40-dark",
    "report-120x40-dark",
)
"""One of each kind; `tools/screens.py --check` without names looks at all of them."""


@pytest.mark.timeout(120)
def test_pictures_are_not_stale() -> None:
    command = [sys.executable, str(ROOT / "tools" / "screens.py"), "--check", *SOME]
    environ = {**os.environ, "COLUMNS": "", "LINES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=110, check=False, cwd=ROOT, env=environ
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:] + "\nrun: make screens"
    assert done.stdout.endswith(f"{len(SOME)} pictures, 0 stale\n")


def test_the_folder_holds_the_pictures_of_the_script_and_no_others() -> None:
    command = [sys.executable, str(ROOT / "tools" / "screens.py"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    names = done.stdout.split()
    files = {path.name for path in (ROOT / "screenshots").iterdir()}
    assert files == {f"{name}.{form}" for name in names for form in ("svg", "png")}
    assert sum(path.stat().st_size for path in (ROOT / "screenshots").iterdir()) < 6_000_000


@pytest.mark.parametrize("name", SOME)
def test_each_picture_is_there_as_svg_and_png(name: str) -> None:
    svg = (ROOT / "screenshots" / f"{name}.svg").read_text("utf-8")
    assert "@font-face" not in svg, "no font is fetched from the network"
    png = (ROOT / "screenshots" / f"{name}.png").read_bytes()
    assert png.startswith(b"\x89PNG")
