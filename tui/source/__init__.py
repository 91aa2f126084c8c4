"""Where a screen's run comes from: a live log or a replay. No other part of tui has threads.

source = LiveSource(run_dir)            # or ReplaySource(run_dir, at=..., speed=...)
source.start(lambda message: app.call_from_thread(app.on_source, message))
...                                     # on_source: match message: case Loaded(state): ...
view.now, view.engine = source.now(), source.engine()     # at each frame
source.send("kill", attempt_id=...)     # an Answer follows
source.close()
"""

from tui.source.base import Source
from tui.source.home import HomeSource
from tui.source.live import LiveSource
from tui.source.messages import (
    Answer,
    EngineChanged,
    EngineTrouble,
    Events,
    Fetched,
    Loaded,
    Position,
    Post,
    SourceFailed,
    SourceMessage,
    Timeline,
)
from tui.source.replay import ReplaySource

__all__ = [
    "Answer",
    "EngineChanged",
    "EngineTrouble",
    "Events",
    "Fetched",
    "HomeSource",
    "LiveSource",
    "Loaded",
    "Position",
    "Post",
    "ReplaySource",
    "Source",
    "SourceFailed",
    "SourceMessage",
    "Timeline",
]
