"""The user's settings, and what the terminal says of its characters."""

import os
import pty
import threading
from pathlib import Path

import pytest

from tui.config import config_folder, read_config
from tui.probe import ambiguous_cells


def test_settings_of_the_file_and_of_the_environment(tmp_path: Path) -> None:
    text = 'theme = "light"\nview = "rows"\n[keys]\nkill = "k"\n'
    (tmp_path / "config.toml").write_text(text, "utf-8")
    config = read_config(tmp_path, {})
    assert (config.theme, config.view, config.keys) == ("light", "rows", {"kill": "k"})
    assert config.problems == []
    over = read_config(tmp_path, {"PILOT_THEME": "dark", "PILOT_VIEW": "strip"})
    assert (over.theme, over.view) == ("dark", "strip")


def test_no_file_is_no_problem(tmp_path: Path) -> None:
    assert read_config(tmp_path / "absent", {}).problems == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme = 3", "theme = 3: not a name"),
        ('view = "cubes"', "not one of auto, cards, rows, board, strip"),
        ("colour = 1", "colour: no such setting"),
        ("keys = 1", "keys is not a table"),
        ('[keys]\nkil = "k"', "keys.kil: there is no such action"),
        ("not toml", "config.toml"),
    ],
    ids=["theme", "view", "unknown", "keys", "action", "toml"],
)
def test_what_is_wrong_is_told_and_left_out(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config.toml").write_text(text, "utf-8")
    config = read_config(tmp_path, {})
    assert len(config.problems) == 1
    assert words in config.problems[0]
    assert (config.theme, config.view, config.keys) == ("", "auto", {})


def test_where_the_file_lies() -> None:
    assert config_folder({"XDG_CONFIG_HOME": "/x"}) == Path("/x/pilot-tui")


@pytest.mark.parametrize(
    ("answer", "cells"), [(b"\x1b[7;2R", 1), (b"\x1b[7;3R", 2), (b"", 1), (b"junk", 1)]
)
def test_a_terminal_is_asked_how_wide_it_draws(answer: bytes, cells: int) -> None:
    ours, theirs = pty.openpty()
    try:

        def terminal() -> None:
            got = b""
            while b"\x1b[6n" not in got:
                got += os.read(ours, 64)
            os.write(ours, answer)

        thread = threading.Thread(target=terminal, daemon=True)
        thread.start()
        assert ambiguous_cells(theirs, theirs, 0.5) == cells
        thread.join(2)
        assert not thread.is_alive()
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_pipe_is_not_asked() -> None:
    read, write = os.pipe()
    try:
        assert ambiguous_cells(read, write) == 1
    finally:
        os.close(read)
        os.close(write)
