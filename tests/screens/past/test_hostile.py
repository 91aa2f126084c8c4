"""What models, tools and files say is drawn and obeyed nowhere: recorded as it looks."""

import asyncio
import json
from pathlib import Path

import pytest
from gallery import gallery
from rig import StillSource, compare, themes
from rows_on_disk import row, write
from scene import view_of

from runner import ev
from tui.app import PilotApp
from tui.options import Options

STRANGE = {
    "escapes": "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x1b[0m\x9b1m \x1b]52;c;cm0=\x07",
    "bidi": "user\u202enimda\u202c \u2066isolate\u2069 \u200fmark",
    "zero width": "pass\u200bword \u2060 \ufeff joined\u200d end",
    "combining": "e\u0301a\u0300 Z\u0351\u0343\u036b\u0300a\u0334l\u0329g\u0321o\u0338",
    "wide": "中文字符 日本語 한국어 🙂 👩\u200d👩\u200d👧 ⚠\ufe0f",
    "controls": "tab\there\r\nreturn\x00nul\x7fdel\u2028line\u2029para",
    "markup": "[bold red]not bold[/] [@click=app.quit]x[/]",
}
SIZES = ((80, 24), (120, 40))
SCREENS = {
    "attempt": (("enter",), "not bold"),
    "calls": (("enter", "tab", "tab"), "1st byte"),
    "tools": (("enter", "tab", "tab", "tab"), "took  what"),
    "output": (("enter", *["tab"] * 5), "markup"),
    "events": (("enter", *["tab"] * 6), "ToolStarted"),
    "results": (("3",), "RESULTS 7"),
    "errors": (("5",), "ERRORS 1"),
    "incidents": (("4",), "INCIDENTS"),
}


@pytest.fixture
def hostile(make_run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    maker = make_run("hostile", workers=2, tasks=9)
    maker.engine()
    a = maker.begin(0, "task-" + STRANGE["escapes"], model="model-" + STRANGE["bidi"])
    maker.emit(ev.TurnStarted(attempt_id=a, worker=0, turn=1, max_turns=9))
    maker.message(0, a, 1, "user", "x" * 1_000_000)
    maker.message(0, a, 1, "user", "\u0301" * 1_000_000)
    who = {"attempt_id": a, "worker": 0}
    maker.emit(ev.CallStarted(**who, n=1, stream=True))
    for n, (name, text) in enumerate(STRANGE.items()):
        maker.message(0, a, 1, "assistant", f"{name}: {text}")
        maker.emit(ev.Logged(**who, text=f"{name}: {text}"))
        maker.emit(ev.ToolStarted(**who, tool=text, detail=f"{name}: {text}"))
        maker.emit(ev.ToolEnded(**who, tool=text, ok=False, elapsed_s=0.1, error=text))
        wait = ev.BackedOff(
            **who, n=1, attempt_no=1, attempts=5, until=maker.at, why=text, status=n, text=text
        )
        maker.emit(wait)
        maker.emit(ev.LoopSeen(**who, rule=text, action="warn", turns=[1], advice=text))
    maker.emit(ev.ToolStarted(**who, tool="bash", detail=STRANGE["wide"]))
    maker.emit(ev.HostGone(host=1, why=STRANGE["escapes"], stack=STRANGE["markup"]))
    rows = [
        row(n, f"{name} {text}", "errored", attempt_id=a, model=text, cause=text, error=text)
        for n, (name, text) in enumerate(STRANGE.items(), 1)
    ]
    write(maker.run_dir, rows)
    return maker


@pytest.mark.parametrize("name", SCREENS)
def test_strangers_words_are_recorded_harmless(hostile, name: str) -> None:
    def make(options: Options) -> PilotApp:
        view = view_of(hostile.made, run_dir=hostile.run_dir)
        return PilotApp(view, StillSource(view), options)

    keys, words = SCREENS[name]
    found = asyncio.run(gallery(make, themes(), keys, words, SIZES, strangers=True))
    bad = [c for c in found if c != "\n" and (ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0)]
    assert bad == []
    invisible = "\u202e\u2066\u2069\u200b\u200d\u200f\u2060\ufeff\u2028\u2029\ufe0f"
    assert not set(found) & set(invisible)
    compare(f"hostile-{name}.txt", found)


def test_they_reach_the_log_as_they_were_said(hostile) -> None:
    """Harmless on the screen, true in the file: nothing is lost for who reads it later."""
    body = (hostile.run_dir / "transcript.jsonl").read_text("utf-8").splitlines()[2]
    assert json.loads(body)["content"] == f"escapes: {STRANGE['escapes']}"
