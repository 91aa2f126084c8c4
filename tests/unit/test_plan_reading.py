"""A bad plan is told whole: every problem, each with its file, dotted key, line and way out."""

from pathlib import Path

import pytest

from runner.engine.config import read_plan
from runner.errors import PlanError, Problem, format_problems

GOOD = """\
[run]
workers = 3
[[endpoints]]
name = "local"
base_url = "http://127.0.0.1:9/v1"
[[models]]
name = "m"
endpoint = "local"
[tasks]
executor = "command"
argv = ["true"]
source = "tasks.jsonl"
"""


def plan_file(folder: Path, text: str = GOOD, tasks: str = '{"id": "a"}\n') -> Path:
    (folder / "tasks.jsonl").write_text(tasks)
    file = folder / "plan.toml"
    file.write_text(text)
    return file


def problems_of(file: Path, overrides: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(PlanError) as caught:
        read_plan(file, overrides, environ={})
    return list(caught.value.problems)


def told(file: Path, overrides: dict[str, str] | None = None) -> list[str]:
    return format_problems(problems_of(file, overrides))


def test_a_sound_plan_is_read_without_a_word(tmp_path: Path):
    document = read_plan(plan_file(tmp_path), environ={})
    assert document.warnings == ()
    assert document.plan.run.workers == 3
    assert document.content == GOOD.encode()
    assert document.folder == tmp_path
    assert document.plan.tasks.source == str(tmp_path / "tasks.jsonl")
    assert set(document.digests) == {"plan", "source", "tools", "entry"}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "workers = 3",
            "wokers = 3",
            "plan.toml:2: run.wokers: unknown key (did you mean workers?)",
        ),
        (
            "workers = 3",
            "workers = 0",
            "plan.toml:2: run.workers: must be a whole number from 1 to 4096, not the number 0",
        ),
        (
            "workers = 3",
            "workers = 10000",
            "plan.toml:2: run.workers: must be a whole number from 1 to 4096, not the number 10000",
        ),
        (
            "workers = 3",
            "workers = true",
            "plan.toml:2: run.workers: must be a whole number from 1 to 4096, not true",
        ),
        (
            "workers = 3",
            "attempt = 3",
            "plan.toml:2: run.attempt: unknown key (attempt belongs to [limits])",
        ),
        (
            "workers = 3",
            'order = "by model"',
            (
                'plan.toml:2: run.order: must be "interleaved" or "by-model", '
                'not the text "by model" (did you mean by-model?)'
            ),
        ),
        (
            'endpoint = "local"',
            'endpoint = "locl"',
            'plan.toml:8: models.m.endpoint: no endpoint is the text "locl" (did you mean local?)',
        ),
        (
            'endpoint = "local"',
            'endpoint = "local"\nlimits = {first_byte = -1}',
            (
                "plan.toml:9: models.m.limits.first_byte: must be a number of seconds above 0 "
                "and at most 2000000, not the number -1"
            ),
        ),
        (
            'argv = ["true"]\n',
            "",
            'plan.toml:9: tasks.argv: missing: executor = "command" needs it',
        ),
        (
            'source = "tasks.jsonl"\n',
            "",
            "plan.toml:9: tasks.source: missing: the file with one task a line",
        ),
        (
            "tasks.jsonl",
            "gone.jsonl",
            "plan.toml:12: tasks.source: gone.jsonl: No such file or directory",
        ),
        (
            '["true"]',
            '["no-such-program"]',
            "plan.toml:11: tasks.argv: no-such-program: no such program",
        ),
        (
            'name = "local"',
            'name = "local"\nkind = "azure"',
            (
                'plan.toml:3: endpoints.local.api_version: missing: kind = "azure" needs it '
                '(e.g. "2024-10-21")'
            ),
        ),
        (
            'name = "local"',
            'name = "local"\napi_key_env = "PILOT_TEST_UNSET"',
            (
                "plan.toml:5: endpoints.local.api_key_env: PILOT_TEST_UNSET is not set "
                "(export PILOT_TEST_UNSET=…)"
            ),
        ),
        (
            'name = "local"\n',
            "",
            "plan.toml:3: endpoints[0].name: missing",
        ),
        (
            "http://127.0.0.1:9/v1",
            "127.0.0.1:9",
            (
                "plan.toml:5: endpoints.local.base_url: must be an http or https URL, "
                'not the text "127.0.0.1:9"'
            ),
        ),
        ("[run]", "[run", "plan.toml:1: not TOML: Expected ']' at the end of a table declaration"),
        (
            "workers = 3",
            "workers = 3\nworkers = 4",
            "plan.toml:3: not TOML: Cannot overwrite a value",
        ),
        (
            "[run]",
            "[watch]\nheartbeat = 9\n[run]",
            (
                "plan.toml:2: watch.heartbeat: freeze_after = 5 is under two heartbeats of 9: "
                "healthy processes would be ended"
            ),
        ),
    ],
)
def test_each_fault_is_one_line(tmp_path: Path, old: str, new: str, line: str):
    assert old in GOOD
    assert line in told(plan_file(tmp_path, GOOD.replace(old, new, 1)))


def test_all_problems_come_at_once(tmp_path: Path):
    text = (
        GOOD.replace("workers = 3", "workers = 0\nsed = 1")
        .replace('endpoint = "local"', 'endpoint = "x"')
        .replace('"true"', '"no-such-program"')
        + '[limits]\nconnect = "5"\n[[models]]\nname = "m"\nendpoint = "local"\n'
    )
    found = problems_of(plan_file(tmp_path, text, tasks='{"id": "a"}\n{"id": "a"}\n'))
    assert {(problem.file, problem.key) for problem in found} == {
        ("plan.toml", "run.workers"),
        ("plan.toml", "run.sed"),
        ("plan.toml", "models.m.endpoint"),
        ("plan.toml", "models.m.name"),
        ("plan.toml", "limits.connect"),
        ("plan.toml", "tasks.argv"),
        ("tasks.jsonl", "tasks.source"),
    }
    assert all(problem.line is not None for problem in found)


def test_both_ways_to_a_key_are_refused(tmp_path: Path):
    keys = 'name = "local"\napi_key_env = "PATH"\napi_key_command = "printf x"'
    text = GOOD.replace('name = "local"', keys)
    lines = told(plan_file(tmp_path, text))
    place = "plan.toml:6: endpoints.local.api_key_command: stands beside api_key_env"
    assert [line for line in lines if line.startswith(place)]


@pytest.mark.parametrize(
    ("matrix", "key"),
    [
        ("x = []", "tasks.matrix.x"),
        ("x = 5", "tasks.matrix.x"),
        ("x = [[1]]", "tasks.matrix.x[0]"),
        ("x = [1, 2, 1]", "tasks.matrix.x[2]"),
        ("x = [1979-05-27]", "tasks.matrix.x[0]"),
        ("instances = 0", "tasks.matrix.instances"),
        ("instances = 1.5", "tasks.matrix.instances"),
        ("instance = [1]", "tasks.matrix.instance"),
        ('"a/b" = [1]', 'tasks.matrix."a/b"'),
    ],
)
def test_matrix_values_are_checked_one_by_one(tmp_path: Path, matrix: str, key: str):
    (found,) = problems_of(plan_file(tmp_path, f"{GOOD}[tasks.matrix]\n{matrix}\n"))
    assert (found.key, found.line) == (key, 14)


def test_an_interactive_matrix_knows_its_labels(tmp_path: Path):
    text = GOOD.replace('"command"', '"interactive"').replace('argv = ["true"]\n', "")
    text = text.replace('source = "tasks.jsonl"\n', "")
    text += '[tasks.matrix]\nprompt_type = ["flawed_missing_stepp"]\ntool_success_rate = [1.5]\n'
    lines = told(plan_file(tmp_path, text))
    assert len(lines) == 2
    assert lines[0].endswith("(did you mean flawed_missing_step?)")
    assert "from 0 to 1, not the number 1.5" in lines[1]


def test_control_codes_in_names_never_reach_the_terminal(tmp_path: Path):
    (line,) = told(plan_file(tmp_path, GOOD.replace("workers", '"\\u001b[31mworkers"')))
    assert "\x1b" not in line
    assert "\\x1b[31mworkers" in line


def test_what_is_no_plan_at_all_is_said(tmp_path: Path):
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "latin.toml").write_bytes(b'[run]\nname = "caf\xe9"\n')
    (tmp_path / "deep.toml").write_text("x = " + "[" * 5000 + "]" * 5000)
    (tmp_path / "long.toml").write_text("x = " + "9" * 5000)
    (tmp_path / "empty.toml").write_text("")
    hint = "(pilot-tui init writes one to begin with)"
    assert told(tmp_path / "none.toml") == [f"none.toml: is not there in {tmp_path} {hint}"]
    assert told(tmp_path / "folder.toml") == ["folder.toml: is a folder: name the plan file in it"]
    assert told(tmp_path / "latin.toml") == ["latin.toml:2: is not UTF-8 here"]
    assert told(tmp_path / "deep.toml") == ["deep.toml: is nested too deeply"]
    assert "not TOML" in told(tmp_path / "long.toml")[0]
    assert told(tmp_path / "empty.toml") == [
        "empty.toml: endpoints: missing: a plan needs [[endpoints]]",
        "empty.toml: models: missing: a plan needs [[models]]",
        "empty.toml: tasks: missing",
    ]


WARNED = [
    ("[watch]\nstuck_after = 30", {}, "watch.stuck_after", "hangs would end before they are shown"),
    ("[watch]\nslow_after = 20", {}, "watch.slow_after", "nothing will be shown as slow"),
    ("[limits]\ncall = 400", {}, "limits.call", "above attempt = 300"),
    ("", {"models.m.workers": "1"}, "run.workers", "the others stay idle"),
    ("", {"resources.hosts": "9"}, "resources.hosts", "above run.workers"),
    (
        '[[endpoints]]\nname = "spare"\nbase_url = "http://localhost/v1"',
        {},
        "endpoints.spare",
        "no model uses",
    ),
    (
        "",
        {"endpoints.local.base_url": '"https://models.example.com/v1"'},
        "endpoints.local",
        "carry no key",
    ),
]


@pytest.mark.parametrize(
    ("text", "overrides", "key", "words"), WARNED, ids=[case[2] for case in WARNED]
)
def test_what_works_but_misleads_is_a_warning(
    tmp_path: Path, text: str, overrides: dict[str, str], key: str, words: str
):
    document = read_plan(plan_file(tmp_path, f"{GOOD}{text}\n"), overrides, environ={})
    assert any(warning.key == key and words in warning.text for warning in document.warnings)


def test_a_copy_of_a_plan_uses_the_original_folder(tmp_path: Path):
    plan_file(tmp_path)
    copy = tmp_path / "runs" / "plan.toml"
    copy.parent.mkdir()
    copy.write_text(GOOD)
    document = read_plan(copy, folder=tmp_path, environ={})
    assert document.plan.tasks.source == str(tmp_path / "tasks.jsonl")


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(tmp_path: Path):
    file = plan_file(tmp_path)
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_plan(file, environ={}).plan.models[0].name == "m"
