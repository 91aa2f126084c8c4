"""The state of a run as a fold over its events, and the questions that are asked of it."""

from runner.core.state.fold import apply, fold, productive
from runner.core.state.model import (
    EndpointState,
    HostState,
    State,
    TaskState,
    WorkerState,
    ZombieState,
    endpoint_key,
)

__all__ = [
    "EndpointState",
    "HostState",
    "State",
    "TaskState",
    "WorkerState",
    "ZombieState",
    "apply",
    "endpoint_key",
    "fold",
    "productive",
]
