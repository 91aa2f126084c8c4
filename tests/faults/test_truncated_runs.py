"""Files of a run cut short at random, or newer than we are: what reads them answers in words.

Parts and logs by themselves are cut in ``test_storage_crash``; here it is a whole run, as commands,
screens and notebooks read it, and as an engine takes it up again.
"""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from support.running import PACKAGE, Project, Watched, wait_for

from runner import Bodies, History, PilotError, result_list, results, verify
from runner.core import events as ev
from runner.runs import engine_alive
from tui.cli.entry import main

CUTS = 14
AGENT = """
def run(task, ctx):
    with ctx.turn():
        ctx.say("user", task.id * 2000)
    return {"outcome": "passed", "score": 1.0, "text": task.id * 200}
"""
FILES = {
    "log": "events.jsonl",
    "transcript": "transcript.jsonl",
    "sealed transcript": "transcript.jsonl.zst",
    "part": "results/*.parquet",
    "run.json": "run.json",
    "plan": "plan.toml",
    "lock": "run.lock",
}
COMMANDS = ["status", "verify", "report", "incidents"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a finished run, never changed by a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PACKAGE))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        project = Project(tmp_path_factory.mktemp("whole"))
        run = project.launch(project.write(tasks=12, code=AGENT))
        assert run.ended().status == "finished"
        try:
            yield project
        finally:
            project.close()


def copy_of(project: Project, folder: Path, *, sealed: bool = True) -> Watched:
    """The finished run once more, its transcript plain if not ``sealed``."""
    shutil.copytree(project.started[0].run_dir, folder)
    if not sealed:
        from runner.engine.log import unseal_transcript

        unseal_transcript(folder)
    return Watched(folder)


def cut(run: Watched, pattern: str, size: float) -> Path:
    """Cut the one file of that name to a share ``size`` of its length."""
    (path,) = run.dir.glob(pattern)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * size)])
    return path


def ask_everything(run: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    """Every reader answers, or refuses in words."""
    for command in COMMANDS:
        with pytest.raises(SystemExit) as left:
            main([command, str(run.dir)])
        said = capsys.readouterr()
        assert left.value.code in (0, 1, 2, 3), command
        assert said.out.strip() or said.err.strip(), command
        assert "Traceback" not in said.out + said.err
    problems: list[str] = []
    for read in (results, result_list):
        try:
            assert len(read(run.dir)) <= 12
        except PilotError as error:
            problems.append(str(error))
    assert all(".parquet" in text for text in problems)
    history = History(run.dir).refresh()
    history.state_at((history.first_at + history.last_at) / 2)
    bodies = Bodies(run.dir)
    for event in history.events_between(0, history.last_at):
        if isinstance(event, ev.MessageAdded):
            try:
                bodies.text(event)
            except (OSError, ValueError) as error:
                problems.append(str(error))
    history.close()
    assert all(problems)


@pytest.mark.parametrize("what", FILES)
def test_every_reader_of_a_cut_file_answers_in_words(
    whole: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    chance = random.Random(what)
    for number, size in enumerate([0.0, 0.999, *(chance.random() for _ in range(CUTS))]):
        run = copy_of(whole, tmp_path / str(number), sealed=what != "transcript")
        cut(run, FILES[what], size)
        ask_everything(run, capsys)
        shutil.rmtree(run.dir)


@pytest.mark.parametrize("size", [0.0, 0.7])
@pytest.mark.parametrize("what", FILES)
def test_a_resume_with_a_cut_file_goes_on_or_refuses_in_words(
    whole: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str, size: float
) -> None:
    run = copy_of(whole, tmp_path / "run", sealed=what != "transcript")
    cut(run, FILES[what], size)
    with pytest.raises(SystemExit) as left:
        main(["resume", str(run.dir), "--detach"])
    said = capsys.readouterr()
    wait_for(lambda: not engine_alive(run.dir))
    own = (run.dir / "engine.log").read_text()
    assert "Traceback" not in said.out + said.err + own
    if left.value.code:
        assert said.err.strip()
        assert what in ("run.json", "plan")
    elif what != "part":  # a damaged file is not repaired, only told of
        assert verify(run.dir).ok
        assert results(run.dir)["outcome"].to_list() == ["passed"] * 12
    if what == "sealed transcript":
        told = [event.error for event in run.of(ev.LogFailed)]
        assert len(told) == 1
        assert "transcript.jsonl.zst.bad" in told[0]
        assert (run.dir / "transcript.jsonl.zst.bad").exists()


def test_lines_and_fields_of_a_newer_version_are_kept_and_counted(
    whole: Project, tmp_path: Path
) -> None:
    run = copy_of(whole, tmp_path / "run")
    log = run.dir / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    assert b'"RunEnded"' in lines[-1]
    lines[-1] = lines[-1].replace(b'{"type"', b'{"new":[1,{"x":null}],"type"', 1)
    head = msgspec.json.decode(lines[-1])
    more = {"type": "FromTheFuture", "x": [1], "seq": head["seq"] + 1, "at": head["at"]}
    data = b"".join([*lines, msgspec.json.encode(more), b"\n"])
    log.write_bytes(data)
    assert whole.resume(run).ended().status == "finished"
    assert log.read_bytes().startswith(data)
    report = verify(run.dir)
    assert (report.ok, report.log.unknown) == (True, 1)
    assert run.state().unknown_events == 1
