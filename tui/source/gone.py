"""The one way in which a source's thread is told that nobody listens any more."""


class ScreenGone(Exception):
    """The screen that is to be told has been closed: the thread that meets this ends."""
