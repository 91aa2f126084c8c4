"""The dashboard as a program on a real terminal, led by a test through a socket.

python wire_child.py PORT     connects there, then obeys one word a line and answers each with JSON:

frame   a second of the run goes by, who is not stuck gets on, a frame is drawn
stuck   one more worker is stuck, and a frame is drawn
copy    something is copied to the clipboard
mouse   the mouse is handed over
count   nothing

The answer comes when it is done: {"composed": frames of Textual's compositor so far, "left_out":
frames left out, "stuck": stuck workers}.
"""

import json
import socket
import sys
import threading
from pathlib import Path

from textual._compositor import ChopsUpdate, LayoutUpdate

sys.path.insert(0, str(Path(__file__).parent))

from rig import StillSource, themes
from scene import fleet_log, view_of

from tui.app import PilotApp
from tui.options import Options
from tui.view.look import in_trouble


class Counting(PilotApp):
    """The app; it counts the frames that Textual's compositor hands over."""

    composed = 0

    def _write_frame(self, update: ChopsUpdate | LayoutUpdate) -> None:
        self.composed += 1
        super()._write_frame(update)


class Led:
    """What can be asked for; each is called on the screen's thread."""

    def __init__(self, app: Counting) -> None:
        self.app = app
        stuck = self.stuck_ones()
        self.well = [n for n in range(len(app.view.state.workers)) if n not in stuck]

    def stuck_ones(self) -> set[int]:
        return {item.worker.worker for item in in_trouble(self.app.view) if item.health == "stuck"}

    def frame(self) -> None:
        view = self.app.view
        view.now += 1.0
        for number in self.well:
            worker = view.state.workers[number]
            worker.progress_at = worker.sign_at = view.now
            worker.turn += 1
        self.app.frame()

    def stuck(self) -> None:
        worker = self.app.view.state.workers[self.well.pop()]
        worker.progress_at -= 1000.0
        self.app.frame()

    def copy(self) -> None:
        self.app.copy_to_clipboard("copied")

    def mouse(self) -> None:
        self.app.action_mouse()

    def count(self) -> None: ...


def obey(app: Counting, port: int) -> None:
    led = Led(app)
    with socket.create_connection(("127.0.0.1", port)) as line, line.makefile("rw") as file:
        for word in file:
            app.call_from_thread(getattr(led, word.strip()))
            stuck = app.call_from_thread(led.stuck_ones)
            told = {"composed": app.composed, "left_out": app.frames_skipped, "stuck": len(stuck)}
            file.write(json.dumps(told) + "\n")
            file.flush()


def main(port: int) -> None:
    view = view_of(fleet_log())
    app = Counting(view, StillSource(view), Options(themes=themes()))
    threading.Timer(0.0, obey, (app, port)).start()
    app.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
