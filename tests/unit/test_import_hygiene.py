"""What may load what, proved in fresh interpreters, and rules for files that no linter knows.

import-linter reads the import statements (contracts in pyproject.toml); here the packages are
really loaded, which also catches what a library pulls in, and the allow list of the pure core
is spelt out.
"""

import ast
import statistics
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREEN = ("textual", "rich", "tui")
HEAVY = ("openai", "polars", "pyarrow", "psutil")

# Pure: no clock, no disk, no threads, no chance. `re` is left out on purpose: the engine folds text
# that models wrote, and a regex over it can hold the interpreter for hours.
PURE_STDLIB = frozenset(
    (
        *("abc", "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "heapq"),
        *("itertools", "math", "operator", "typing"),
    )
)
PURE_OTHERS = frozenset(("msgspec", "runner.core"))

MAX_LINES = 400
MEDIAN_LINES = 200


def modules_of(package: str) -> list[str]:
    """Dotted names of all modules below a package's folder, the package first."""
    folder = ROOT.joinpath(*package.split("."))
    names: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if not name.endswith(".__main__")]


def loaded_by(modules: list[str]) -> set[str]:
    """Import the modules in a fresh interpreter; what is in sys.modules then."""
    code = f"""
        import importlib, sys
        for name in {modules!r}:
            importlib.import_module(name)
        print("\\n".join(sys.modules))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def offenders(loaded: set[str], forbidden: tuple[str, ...]) -> list[str]:
    return sorted(
        name
        for name in loaded
        if any(name == root or name.startswith(root + ".") for root in forbidden)
    )


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        pytest.param(["runner"], (*SCREEN, *HEAVY), id="the public face loads nothing slow"),
        pytest.param(modules_of("runner"), SCREEN, id="no module of runner loads a screen"),
        pytest.param(modules_of("runner.core"), (*SCREEN, *HEAVY), id="core loads no library"),
        pytest.param(
            modules_of("runner.engine"), ("openai", "runner.host"), id="engine runs no foreign code"
        ),
        pytest.param(modules_of("runner.host"), ("polars", "pyarrow"), id="host writes no results"),
        pytest.param(["tui.cli"], ("textual", *HEAVY), id="the command line starts fast"),
    ],
)
def test_modules_that_are_not_loaded(modules: list[str], forbidden: tuple[str, ...]):
    assert offenders(loaded_by(modules), forbidden) == []


def test_the_check_itself_sees_a_forbidden_module():
    assert offenders(loaded_by(["runner.core", "rich.text"]), ("rich", "textual"))[0] == "rich"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of each import statement, wherever in the file it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def where(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {what}"


def test_core_imports_msgspec_itself_and_pure_modules_only():
    found = [
        where(path, line, name)
        for path in python_files("runner/core")
        for line, name in imports(path)
        if name.split(".")[0] not in PURE_STDLIB
        and not any(name == root or name.startswith(root + ".") for root in PURE_OTHERS)
    ]
    assert found == []


def test_tui_imports_names_from_runner_itself_only():
    found = [
        where(path, line, name)
        for path in python_files("tui")
        for line, name in imports(path)
        if name.startswith("runner.")
    ]
    assert found == []


def test_only_the_source_asks_textual_for_threads():
    found = [
        where(path, node.lineno, "thread=")
        for path in python_files("tui")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.keyword) and node.arg == "thread" and path.stem != "source"
    ]
    assert found == []


def test_no_bare_except():
    found = [
        where(path, node.lineno, "bare except")
        for path in python_files("runner", "tui", "tests", "tools")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert found == []


def line_counts() -> dict[Path, int]:
    files = python_files("runner", "tui")
    return {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}


def test_no_file_has_rotted():
    assert {
        str(path.relative_to(ROOT)): lines
        for path, lines in line_counts().items()
        if lines > MAX_LINES
    } == {}


def test_the_median_file_is_short():
    assert statistics.median(line_counts().values()) < MEDIAN_LINES


def project_files() -> list[Path]:
    """What git knows or would add: no environment, cache or run."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".parquet"}]


def test_no_file_names_a_package_registry():
    # In two parts, or this file would find itself.
    needles = (
        "pypi." + "org",
        "pythonhosted" + ".org",
        "index" + "-url",
        "find-links" + " ",
        "registry.npmjs" + ".org",
    )
    found = [
        f"{path.relative_to(ROOT)}: {needle}"
        for path in project_files()
        for needle in needles
        if needle in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []


def test_every_locked_package_has_hashes():
    lock = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    without = [
        entry.split(" ", 1)[0]
        for entry in lock.replace("\\\n", " ").splitlines()
        if entry and not entry.lstrip().startswith("#") and "--hash=sha256:" not in entry
    ]
    assert without == []
