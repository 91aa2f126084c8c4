"""The shipped tools and tasks, and how mistakes in a user's own files are told."""

import threading
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from runner.host.bench.index import BEST, ToolIndex
from runner.host.bench.library import (
    Difficulty,
    Library,
    LibraryError,
    Shared,
    TaskType,
    load_tasks,
    load_tools,
    to_task,
)

TOOL = (
    '{"name": "%s", "category": "c", "description": "d", "parameters": [], "returns": [],'
    ' "errors": [{"code": "E", "description": "d"}], "dependencies": [%s]}'
)


@pytest.fixture(scope="module")
def library() -> Library:
    return load_tools()


def test_there_are_at_least_30_tools_in_6_categories(library: Library) -> None:
    assert len(library.tools) >= 30
    assert len(library.categories()) == 6
    assert all(tool.parameters and tool.returns for tool in library.tools.values())
    assert any(tool.dependencies for tool in library.tools.values())
    assert any(tool.output for tool in library.tools.values())


def test_there_are_tasks_in_every_cell_of_type_and_difficulty(library: Library) -> None:
    tasks = load_tasks(library=library)
    cells = Counter((task.task_type, task.difficulty) for task in tasks)
    assert len(tasks) >= 100
    assert set(cells) == {(t, d) for t in get_args(TaskType) for d in get_args(Difficulty)}
    assert min(cells.values()) >= 4
    assert len({task.description for task in tasks}) == len(tasks)


def test_every_dependency_of_a_required_tool_is_required_before_it(library: Library) -> None:
    for task in load_tasks(library=library):
        for position, name in enumerate(task.required_tools):
            before = task.required_tools[:position]
            assert set(library.tools[name].dependencies) <= set(before), task.id


def test_every_tool_is_required_by_some_task(library: Library) -> None:
    used = {name for task in load_tasks() for name in task.required_tools}
    assert used == set(library.tools)


def test_all_mistakes_of_a_registry_are_told_with_line_and_key(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(
        "[\n" + TOOL % ("reader", '"writer"') + ",\n" + TOOL % ("writer", "") + ",\n"
        '{"name": "bad name", "category": "c"},\n' + TOOL % ("writer", "") + "\n]"
    )
    with pytest.raises(LibraryError) as caught:
        load_tools(str(path))
    places = [(problem.line, problem.key) for problem in caught.value.problems]
    assert (4, "name") in places  # the pattern
    assert (5, "name") in places  # named twice
    assert str(path) in str(caught.value)


def test_an_unknown_dependency_names_the_nearest_tool(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(
        f"[{TOOL % ('csv_reader', '')},\n{TOOL % ('writer', chr(34) + 'csv_raeder' + chr(34))}]"
    )
    with pytest.raises(LibraryError, match="did you mean csv_reader") as caught:
        load_tools(str(path))
    assert caught.value.problems[0].line == 2


@pytest.mark.parametrize("text", ["", "{}", "[1]", "[", "\xff", "[]", '[{"name": 3}]'])
def test_a_broken_registry_is_a_library_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tools.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(LibraryError):
        load_tools(str(path))


def test_all_mistakes_of_a_task_file_are_told_with_line_and_key(
    tmp_path: Path, library: Library
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(
        '{"id": "a", "description": "d", "required_tools": ["file_reader"]}\n'
        "\n"
        '{"id": "a", "description": "d", "required_tools": ["file_raeder"]}\n'
        '{"id": "b", "description": "d", "required_tools": ["database_writer",'
        ' "schema_validator"]}\n'
        '{"id": "c", "description": "d", "required_tools": []}\n'
        '{"id": "d", "description": "d", "required_tools": ["file_reader"], "task_type": "x"}\n'
        "not json\n"
    )
    with pytest.raises(LibraryError) as caught:
        load_tasks(str(path), library)
    found = {(problem.line, problem.key): problem for problem in caught.value.problems}
    assert set(found) == {
        (3, "id"),
        (3, "required_tools[0]"),
        (4, "required_tools[0]"),
        (5, "required_tools"),
        (6, "task_type"),
        (7, "$"),
    }
    assert "file_reader" in found[3, "required_tools[0]"].hint


def test_keys_of_the_user_are_passed_over(library: Library) -> None:
    data = {"id": "x", "description": "d", "required_tools": ["file_reader"], "labels": {"a": 1}}
    assert to_task(data, library).id == "x"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("read a csv", "csv_loader"),
        ("send mail to someone", "email_sender"),
        ("remove duplicates", "deduplicator"),
        ("forecasting future demand", "trend_forecaster"),
        ("SchemaValidator", "schema_validator"),
        ("login", "auth_token"),
        ("please mask the personal data", "pii_redactor"),
    ],
)
def test_the_best_tool_of_a_search_is(library: Library, query: str, wanted: str) -> None:
    found = ToolIndex(library).search(query)
    assert found[0].name == wanted
    assert len(found) <= BEST


@pytest.mark.parametrize(
    "query", ["", "' OR 1=1 --", '"', "* NEAR(", "\ud800", "写文件", "\0", "a" * 10**6]
)
def test_a_hostile_query_finds_something_or_nothing(library: Library, query: str) -> None:
    assert len(ToolIndex(library).search(query)) <= BEST


def test_workers_share_one_object_that_is_made_once() -> None:
    made: list[str | None] = []

    def make(path: str | None) -> object:
        made.append(path)
        return object()

    shared = Shared[object](make)
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(shared.get(None))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert made == [None]
    assert len(got) == 20
    assert len(set(map(id, got))) == 1
    assert shared.get("other") is not got[0]


def test_threads_search_the_same_index(library: Library) -> None:
    index = ToolIndex(library)
    found: list[str] = []

    def search() -> None:
        found.extend(index.search("remove duplicates")[0].name for _ in range(50))

    threads = [threading.Thread(target=search) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == ["deduplicator"] * 400
