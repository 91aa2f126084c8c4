"""What a program may see of an answer, and when."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from runner.host.proxy_http import Program


class Told(socket.socket):
    """A connection that notes whether its program's answer counted as complete at each send."""

    program: Program

    def __init__(self, end: socket.socket) -> None:
        super().__init__(fileno=end.detach())
        self.complete: list[bool] = []

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        self.complete.append(self.program.is_complete)
        super().sendall(data, flags)


def whole(program: Program) -> None:
    program.answer(200, [], b"{}")


def streamed(program: Program) -> None:
    program.begin(200, [])
    program.piece(b"data: 1\n\n", last=False)
    program.piece(b"data: [DONE]\n\n", last=True)


@pytest.mark.parametrize(
    ("answer", "complete"), [(whole, [True]), (streamed, [False, True])], ids=["whole", "streamed"]
)
def test_who_hangs_up_on_the_last_byte_finds_the_answer_complete(
    answer: Callable[[Program], None], complete: list[bool]
) -> None:
    """A hang-up before that counts as given up: a good call would be recorded as an error."""
    ours, theirs = socket.socketpair()
    with Told(ours) as connection, theirs:
        program = connection.program = Program(connection)
        answer(program)
        assert connection.complete == complete
