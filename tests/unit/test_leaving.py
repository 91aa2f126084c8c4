"""When a logout would end the run, and which command prevents it."""

from pathlib import Path

import pytest

from runner.start.leaving import Logind, ask_logind, judge, logout_warning

SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"
MANAGER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/tmux.scope\n"
SYSTEM = "0::/system.slice/cron.service\n"
STOP = "pilot-tui stop r1 && systemd-run --user --scope pilot-tui resume r1 --detach"


@pytest.mark.parametrize(
    ("group", "kills", "lingers", "command"),
    [
        pytest.param(SESSION, True, False, f"loginctl enable-linger && {STOP}", id="session"),
        pytest.param(SESSION, True, True, STOP, id="a lingering user's session"),
        pytest.param(SESSION, False, False, None, id="a session that is not killed"),
        pytest.param(MANAGER, True, False, "loginctl enable-linger", id="user manager"),
        pytest.param(MANAGER, False, False, "loginctl enable-linger", id="user manager, no kill"),
        pytest.param(MANAGER, True, True, None, id="a lingering user's manager"),
        pytest.param(SYSTEM, True, False, None, id="no login at all"),
    ],
)
def test_what_is_said(group: str, kills: bool, lingers: bool, command: str | None):
    found = judge("r1", "ann", group, Logind(kills=kills, spared=("root",), lingers=lingers))
    assert (found.command if found else None) == command
    if found is not None:
        assert "when you log out" in found.text


def test_users_that_are_spared_need_no_warning():
    assert judge("r1", "root", SESSION, Logind(kills=True, spared=("root",), lingers=False)) is None


def logind(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    program = folder / "loginctl"
    program.write_text(f"#!/bin/sh\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_logind_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    logind(
        tmp_path,
        monkeypatch,
        "if [ $# = 2 ]; then echo Linger=yes; else echo KillUserProcesses=yes; "
        'echo "KillExcludeUsers=root ops"; fi',
    )
    assert ask_logind("ann") == Logind(kills=True, spared=("root", "ops"), lingers=True)


@pytest.mark.parametrize("code", ["exit 1", "echo unexpected"], ids=["fails", "says nonsense"])
def test_a_logind_that_does_not_answer_warns_of_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
):
    logind(tmp_path, monkeypatch, code)
    assert ask_logind("ann") is None


def test_a_run_without_an_engine_warns_of_nothing(tmp_path: Path):
    assert logout_warning("r1", tmp_path) is None
