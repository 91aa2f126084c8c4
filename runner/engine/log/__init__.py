"""The run's memory on disk: ``events.jsonl`` and the bodies that its events point at."""

from runner.engine.log.reader import Chunk, Decoded, LogReader, chunks, read_all
from runner.engine.log.transcript import (
    TRANSCRIPT,
    SealError,
    TranscriptReader,
    seal_transcript,
    unseal_transcript,
)
from runner.engine.log.writer import EVENTS, EventLog, LogStatus, Trouble

__all__ = [
    "EVENTS",
    "TRANSCRIPT",
    "Chunk",
    "Decoded",
    "EventLog",
    "LogReader",
    "LogStatus",
    "SealError",
    "TranscriptReader",
    "Trouble",
    "chunks",
    "read_all",
    "seal_transcript",
    "unseal_transcript",
]
