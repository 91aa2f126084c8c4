"""The command executor: a program per attempt, whatever it is written in.

Apart from the python executor because nothing of it runs in this process: the task goes in on
stdin, the result comes out as the last line of stdout, and the model is reached by the proxy.
"""

import os
import select
import selectors
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from runner.core.plan import Plan
from runner.host import attempt as attempts
from runner.host.agent import Ctx, Task
from runner.host.attempt import Attempt
from runner.host.proxy import PREFIX, Door, Proxy
from runner.host.python import Executor
from runner.host.scope import Scope

_READ_BYTES: Final = 64 * 1024
_MAX_LINE_BYTES: Final = 1024 * 1024
_TOLD_LINES: Final = 5
_LAUNCH: Final = str(Path(__file__).with_name("launch.py"))
_EXIT_POLL_S: Final = 0.2


class CommandFailed(Exception):
    """The program exited with a status other than 0; the text holds its last lines."""


class Command:
    """Runs ``[tasks] argv``, in the plan's folder."""

    def __init__(self, plan: Plan, plan_dir: str, proxy: Proxy) -> None:
        self._argv = plan.tasks.argv
        self._plan_dir = plan_dir
        self._hidden = {endpoint.api_key_env for endpoint in plan.endpoints}
        self._proxy = proxy

    def load(self, scope: Scope) -> Executor:
        """The executor; there is nothing to import."""
        scope.check()
        return Executor(run=self._run)

    def _run(self, task: Task, ctx: Ctx) -> Any:
        attempt = attempts.current.get()
        assert attempt is not None
        with ExitStack() as stack:
            door = self._proxy.door(attempt)
            stdin = stack.enter_context(_as_file(task, ctx.dir / "task.json"))
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", _LAUNCH, str(os.getpid()), *self._argv],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._plan_dir,
                env=self._environment(ctx, door),
            )
            output = _Output(process, attempt, ctx)
            stack.callback(output.close)
            output.read_to_end()
            code = attempt.scope.popen_wait(process)
        if code:
            raise CommandFailed(f"exit status {code}\n" + "\n".join(output.last_lines))
        return _decoded(output.result)

    def _environment(self, ctx: Ctx, door: Door) -> Mapping[str, str]:
        """Ours without the keys, and with the ways to the proxy that SDKs look for."""
        kept = {name: value for name, value in os.environ.items() if name not in self._hidden}
        return kept | {
            "OPENAI_BASE_URL": door.address + PREFIX,
            "OPENAI_API_KEY": door.token,
            "AZURE_OPENAI_ENDPOINT": door.address,
            "AZURE_OPENAI_API_KEY": door.token,
            "PILOT_MODEL": ctx.model,
            "PILOT_SEED": str(ctx.seed),
            "PILOT_DIR": str(ctx.dir),
            "PYTHONUNBUFFERED": "1",
        }


def _as_file(task: Task, path: Path) -> IO[bytes]:
    """The task as a file: a program that never reads its stdin must not block us."""
    text = {"task_id": task.task_id, "labels": task.labels, **task.data, "id": task.id}
    path.write_bytes(msgspec.json.encode(text) + b"\n")
    return path.open("rb")


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except msgspec.DecodeError:
        return line.decode("utf-8", "replace")[:200]  # which is no result, and shown as that


class _Output:
    """Both streams of a program, line by line as they come; every wait is under the scope."""

    def __init__(self, process: "subprocess.Popen[bytes]", attempt: Attempt, ctx: Ctx) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.result = b""
        self.last_lines: list[str] = []
        self._process = process
        self._attempt = attempt
        self._ctx = ctx
        self._pipes = (process.stdout, process.stderr)
        self._rest = {process.stdout: b"", process.stderr: b""}
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    def read_to_end(self) -> None:
        """Until both streams end, or the program has: one that it left behind may keep them open.

        The selector is itself a descriptor that can be waited for, so a kill wakes this too.
        """
        while self._selector.get_map():
            ended = self._process.poll() is not None
            if not ended:
                self._attempt.scope.wait_fd(
                    self._selector.fileno(),
                    select.POLLIN,
                    _EXIT_POLL_S,  # type: ignore[attr-defined]
                )
            ready = self._selector.select(0)
            for key, _ in ready:
                self._read(key.fileobj)  # type: ignore[arg-type]
            if ended and not ready:
                break
        for pipe in self._pipes:
            self._line(pipe, self._rest[pipe])

    def _read(self, pipe: IO[bytes]) -> None:
        data = os.read(pipe.fileno(), _READ_BYTES)
        if not data:
            self._selector.unregister(pipe)
            return
        self._attempt.scope.progress()
        *lines, rest = (self._rest[pipe] + data).split(b"\n")
        self._rest[pipe] = rest[-_MAX_LINE_BYTES:]
        for line in lines:
            self._line(pipe, line)

    def _line(self, pipe: IO[bytes], line: bytes) -> None:
        if not line.strip():
            return
        if pipe is self._pipes[0]:
            self.result = line[-_MAX_LINE_BYTES:]
        text = line.decode("utf-8", "replace")
        self.last_lines = [*self.last_lines[-_TOLD_LINES + 1 :], text[:1000]]
        self._ctx.log(text)

    def close(self) -> None:
        """Let go of the pipes. The process is ended with the attempt's other children."""
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()
