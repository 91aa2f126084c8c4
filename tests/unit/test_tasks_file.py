"""A task file is checked whole with line numbers, then read by place without holding its tasks."""

import os
import time
from pathlib import Path

import psutil
import pytest

from runner.engine.task_file import SourceFile
from runner.errors import PlanError, SourceChanged, format_problems


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "tasks.jsonl"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def faults(folder: Path, content: str | bytes) -> list[str]:
    with pytest.raises(PlanError) as caught:
        SourceFile(written(folder, content), "tasks.jsonl")
    return format_problems(caught.value.problems)


ACCEPTED = {
    "plain": '{"id": "a"}\n{"id": "b"}\n',
    "no-last-newline": '{"id": "a"}\n{"id": "b"}',
    "blank-lines": '\n\n{"id": "a"}\n  \n\n{"id": "b"}\n\n',
    "windows": '{"id": "a"}\r\n{"id": "b"}\r\n',
    "spaces-around": '  {"id": "a"}  \n\t{"id": "b"}\n',
    "not-ascii": '{"id": "a", "text": "Ünï}\\n{"}\n{"id": "b"}\n',
    "odd-numbers": '{"id": "a", "n": 12345678901234567890123}\n{"id": "b"}\n',
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_every_sound_layout_gives_the_same_two_tasks(tmp_path: Path, case: str):
    source = SourceFile(written(tmp_path, ACCEPTED[case]), "tasks.jsonl")
    assert [source.data(place)["id"] for place in range(len(source))] == ["a", "b"]
    assert [source.find(task) for task in ("a", "b", "c")] == [0, 1, None]


REFUSED = {
    "empty": (b"", "tasks.jsonl: tasks.source: has no task in it"),
    "blank": (b"\n \n", "tasks.jsonl: tasks.source: has no task in it"),
    "text": (b'{"id": "a"}\nhello\n', "tasks.jsonl:2: tasks.source: not JSON: "),
    "list": (b'[{"id": "a"}]', "tasks.jsonl:1: tasks.source: not a JSON object (one JSON object a"),
    "pretty": (
        b'{\n"id": "a"\n}',
        "tasks.jsonl:1: tasks.source: not JSON: Input data was truncated (one",
    ),
    "two-on-a-line": (b'{"id": "a"}{"id": "b"}\n', "tasks.jsonl:1: tasks.source: not JSON: "),
    "two-and-a-half": (
        b'{"id": "a"} {"id": "b"}\n\n{"id":"c"}\n',
        "tasks.jsonl:1: tasks.source: not JSON: ",
    ),
    "split-object": (b'{"id": "a"}{"id":\n"b"}\n', "tasks.jsonl:1: tasks.source: not JSON: "),
    "no-id": (b'{"id": "a"}\n{"name": "b"}', "tasks.jsonl:2: tasks.source: has no id"),
    "number-id": (
        b'{"id": 7}',
        "tasks.jsonl:1: tasks.source: the id must be a text that is not empty",
    ),
    "empty-id": (
        b'{"id": ""}',
        "tasks.jsonl:1: tasks.source: the id must be a text that is not empty",
    ),
    "escape-id": (b'{"id": "a\\u001b"}', "tasks.jsonl:1: tasks.source: the id must be printable"),
    "long-id": (
        b'{"id": "' + b"a" * 401 + b'"}',
        "tasks.jsonl:1: tasks.source: the id must be printable",
    ),
    "labels": (
        b'{"id": "a", "labels": [1]}',
        "tasks.jsonl:1: tasks.source: labels must be an object",
    ),
    "label": (
        b'{"id": "a", "labels": {"x": null}}',
        "tasks.jsonl:1: tasks.source: each label must",
    ),
    "not-utf8": (
        b'{"id": "a"}\n{"id": "b", "x": "\xff"}\n',
        "tasks.jsonl:2: tasks.source: not JSON: ",
    ),
    "mark": (
        b'\xef\xbb\xbf{"id": "a"}',
        "(the file begins with a byte order mark: save it as UTF-8",
    ),
    "deep": (b'{"id": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "tasks.jsonl:1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_each_fault_has_its_line(tmp_path: Path, case: str):
    content, words = REFUSED[case]
    assert any(words in line for line in faults(tmp_path, content))


def test_doubles_name_both_lines(tmp_path: Path):
    content = '\n{"id": "a"}\n{"id": "b"}\n\n{"id": "a", "x": 1}\n'
    assert faults(tmp_path, content) == [
        'tasks.jsonl:5: tasks.source: the id "a" stands twice (first on line 2)'
    ]


def test_doubles_are_told_beside_other_faults(tmp_path: Path):
    assert len(faults(tmp_path, '{"id": "a"}\nx\n{"id": "a"}\n')) == 2


def test_five_of_a_kind_and_a_count(tmp_path: Path):
    lines = faults(tmp_path, "x\n" * 8 + '{"id": "a"}\n' * 9)
    assert [line.partition(": ")[0] for line in lines[:5]] == [
        f"tasks.jsonl:{n}" for n in range(1, 6)
    ]
    assert "tasks.jsonl: tasks.source: and 3 more lines: not JSON" in lines
    assert "tasks.jsonl: tasks.source: and 3 more lines: an id stands twice" in lines


def test_a_line_over_the_cap_is_refused(tmp_path: Path):
    content = b'{"id": "a", "x": "' + b"y" * (9 * 1024 * 1024) + b'"}\n'
    assert "has a line of more than 8388608 bytes" in faults(tmp_path, content)[0]


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe"])
def test_what_is_no_file_does_not_block(tmp_path: Path, kind: str):
    path = tmp_path / "tasks.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(OSError, match=r"regular|No such"):
        SourceFile(path, "tasks.jsonl")


def test_a_replaced_file_does_no_harm_and_an_edited_one_is_noticed(tmp_path: Path):
    # More than the size that is kept in memory, so that lines come from the disk.
    filler = '{"id": "filler-%d", "x": "' + "y" * 1_000_000 + '"}\n'
    content = "".join(filler % number for number in range(18)) + '{"id": "last"}\n'
    path = written(tmp_path, content)
    source = SourceFile(path, "tasks.jsonl")
    (tmp_path / "new").write_text('{"id": "other"}\n')
    (tmp_path / "new").replace(path)
    assert source.data(18) == {"id": "last"}
    path = written(tmp_path, content)
    source = SourceFile(path, "tasks.jsonl")
    os.truncate(path, 100)
    with pytest.raises(SourceChanged, match="edited under the run"):
        source.data(18)


def test_the_digest_is_of_every_byte(tmp_path: Path):
    one = SourceFile(written(tmp_path, '{"id": "a"}\n'), "t").digest
    assert one == SourceFile(written(tmp_path, '{"id": "a"}\n'), "t").digest
    assert one != SourceFile(written(tmp_path, '{"id": "a"} \n'), "t").digest


def test_files_are_closed_with_their_last_user(tmp_path: Path):
    path = written(tmp_path, '{"id": "a"}\n')
    before = psutil.Process().num_fds()
    for _ in range(20):
        SourceFile(path, "t")
    assert psutil.Process().num_fds() <= before + 1


@pytest.mark.bench
def test_a_million_lines_open_fast_and_small(tmp_path: Path):
    with (tmp_path / "tasks.jsonl").open("w") as file:
        for number in range(1_000_000):
            file.write('{"id":"task-%d","question":"what is %d plus 1"}\n' % (number, number))  # noqa: UP031  (twice as fast)
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    source = SourceFile(tmp_path / "tasks.jsonl", "t")
    assert time.perf_counter() - started < 3
    assert psutil.Process().memory_info().rss - before < 100 * 1024 * 1024
    assert source.find("task-999999") == 999_999
