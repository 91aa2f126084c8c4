"""What comes past Python on its way to a log: whole lines, masked, bounded, none lost at an end."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.running import wait_for

from runner.engine.hosts.scribe import Scribe
from runner.logfile import MAX_FILE_BYTES
from runner.masking import Secrets

KEY = "Zq81-plain-looking-but-secret-77"


@pytest.fixture
def secrets() -> Secrets:
    """One key."""
    found = Secrets()
    found.add(KEY)
    return found


@pytest.fixture
def scribe(secrets: Secrets) -> Iterator[Scribe]:
    """One that is closed with the test."""
    found = Scribe(secrets)
    yield found
    found.close()


def said(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_whole_lines_come_at_once_and_an_unfinished_one_at_the_end(
    scribe: Scribe, tmp_path: Path
) -> None:
    path = tmp_path / "host-0.log"
    handle = scribe.pipe_to(path)
    os.write(handle, b"one\ntwo")
    wait_for(lambda: said(path) == "one\n")
    os.close(handle)
    wait_for(lambda: said(path) == "one\ntwo\n")


def test_a_key_in_pieces_is_masked(scribe: Scribe, tmp_path: Path) -> None:
    path = tmp_path / "host-0.log"
    handle = scribe.pipe_to(path)
    for letter in f"key {KEY}!\n".encode():
        os.write(handle, bytes([letter]))
        time.sleep(0.002)
    os.close(handle)
    wait_for(lambda: said(path) == "key ***!\n")


def test_what_waits_is_written_at_the_close_whoever_holds_the_other_end(
    secrets: Secrets, tmp_path: Path
) -> None:
    scribe = Scribe(secrets)
    path = tmp_path / "host-0.log"
    handle = scribe.pipe_to(path)
    os.write(handle, b"last words")
    scribe.close()
    assert said(path) == "last words\n"
    os.close(handle)


def test_a_log_begins_anew_at_its_bound(scribe: Scribe, tmp_path: Path) -> None:
    path = tmp_path / "host-0.log"
    path.write_bytes(b"x" * (MAX_FILE_BYTES - 4))
    handle = scribe.pipe_to(path)
    os.write(handle, b"hello\n")
    wait_for(lambda: said(path).endswith("hello\n"))
    assert said(path) == "... wrapped here\nhello\n"
    os.close(handle)


def test_a_disk_that_takes_nothing_loses_lines_and_says_how_many(
    scribe: Scribe, tmp_path: Path
) -> None:
    path = tmp_path / "there" / "host-0.log"
    handle = scribe.pipe_to(path)
    os.write(handle, b"lost\n")
    wait_for(lambda: [pipe for pipe in scribe._pipes.values() if pipe.left_out])
    path.parent.mkdir()
    os.write(handle, b"kept\n")
    wait_for(lambda: said(path) == "... 5 bytes left out\nkept\n")
    os.close(handle)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes_in_any_pieces_become_harmless_text(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    secrets = Secrets()
    secrets.add(KEY)
    scribe = Scribe(secrets)
    path = tmp_path_factory.mktemp("scribe") / "log"
    handle = scribe.pipe_to(path)
    for piece in [*pieces, KEY.encode()]:
        os.write(handle, piece)
    os.close(handle)
    scribe.close()
    text = said(path)
    assert KEY not in text
    assert not [letter for letter in text if ord(letter) < 32 and letter != "\n"]
