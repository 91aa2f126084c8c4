"""``check --probe``: one small call to each deployment, before a run depends on it.

Apart from the hosts, which guard and repeat the calls of executors: a probe is one plain request,
and its answer is words for a person. It is the only place outside a host that uses a key.
"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

from runner.core.plan import Endpoint, Limits, Model, Plan
from runner.core.text import duration, one_line

KEY_COMMAND_S: Final = 60.0
_HINTS: Final = {
    401: "the key is refused",
    403: "the key may not use it",
    404: "there is no such model, deployment or path",
    429: "too many requests",
}


class Probe(Struct, kw_only=True):
    """What one call to a deployment showed. Seconds count from the request."""

    model: str
    endpoint: str
    deployment: str
    ok: bool = False
    streams: bool = False
    first_byte_s: float | None = None
    total_s: float | None = None
    problem: str = ""


class _Refused(Exception):
    """The probe failed for a reason that is known; the text is for a person."""


def probe_plan(plan: Plan) -> list[Probe]:
    """One call to each deployment of each model, all at once; bounded by the models' limits.

    A call that ignores its limits is left behind in a daemon thread and told as such.
    """
    probes: list[tuple[Probe, threading.Thread, float]] = []
    for model in plan.models:
        limits = model.limits
        for place in model.places:
            found = Probe(model=model.name, endpoint=place.endpoint, deployment=place.deployment)
            endpoint = plan.endpoint(place.endpoint)
            found.problem = f"did not end within {duration(limits.call)}"
            thread = threading.Thread(target=_probe, args=(found, endpoint, model), daemon=True)
            thread.start()
            probes.append((found, thread, time.monotonic() + limits.call + KEY_COMMAND_S))
    for _, thread, until in probes:
        thread.join(max(0.0, until - time.monotonic()))
    return [found for found, _, _ in probes]


def probe_words(found: Probe) -> str:
    """``qwen on azure (qwen-a): ok, streams, first byte 0.4s, whole answer 1.2s``."""
    where = ", ".join(one_line(part, 60) for part in (found.endpoint, found.deployment))
    head = f"{one_line(found.model, 60)} ({where})"
    if not found.ok:
        return f"{head}: {found.problem}"
    how = "streams" if found.streams else "does not stream"
    return f"{head}: ok, {how}, first byte {found.first_byte_s:.1f}s, answer {found.total_s:.1f}s"


def _probe(found: Probe, endpoint: Endpoint, model: Model) -> None:
    """Make the call; write what came of it into ``found``."""
    key = ""
    try:
        key = _key(endpoint)
        _call(found, endpoint, model, key)
        found.ok, found.problem = True, ""
    except _Refused as error:
        text = str(error)
        found.problem = one_line(text.replace(key, "***") if key else text, 200)


def _key(endpoint: Endpoint) -> str:
    if not endpoint.api_key_command:
        return os.environ.get(endpoint.api_key_env, "").strip() if endpoint.api_key_env else ""
    try:
        done = subprocess.run(
            endpoint.api_key_command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=KEY_COMMAND_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        # Neither the output nor the error's own text: both may hold the token.
        raise _Refused(f"api_key_command failed ({type(error).__name__})") from None
    return done.stdout.decode("utf-8", "replace").strip()


def _call(found: Probe, endpoint: Endpoint, model: Model, key: str) -> None:
    import httpx2

    limits = model.limits
    until = time.monotonic() + limits.call
    timeout = httpx2.Timeout(limits.first_byte, connect=limits.connect)
    began = time.monotonic()
    try:
        with (
            httpx2.Client(timeout=timeout) as client,
            client.stream("POST", **_request(endpoint, model, found.deployment, key)) as answer,
        ):
            if answer.status_code != 200:
                raise _Refused(_status_words(answer.status_code, _body(answer, until)))
            kind = answer.headers.get("content-type", "")
            found.streams = kind.startswith("text/event-stream")
            for _ in _chunks(answer.iter_bytes(), until, limits):
                if found.first_byte_s is None:
                    found.first_byte_s = round(time.monotonic() - began, 3)
    except httpx2.TimeoutException as error:
        raise _Refused(f"no answer in time ({type(error).__name__})") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _Refused(f"cannot be reached: {error}") from None
    found.total_s = round(time.monotonic() - began, 3)
    if found.first_byte_s is None:
        raise _Refused("the answer was empty")


def _chunks(stream: Iterator[bytes], until: float, limits: Limits) -> Iterator[bytes]:
    """The answer's bytes. A drip restarts the client's own timeout at each byte, this limit not."""
    for chunk in stream:
        if time.monotonic() > until:
            raise _Refused(f"the answer did not end within {duration(limits.call)}")
        yield chunk


def _body(answer: Any, until: float) -> str:
    """The first bytes of an error's text."""
    body = b""
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > 400 or time.monotonic() > until:
            break
    return body.decode("utf-8", "replace")


def _status_words(status: int, body: str) -> str:
    hint = _HINTS.get(status, "")
    return f"HTTP {status}" + (f": {hint}" if hint else "") + f" ({one_line(body, 120)})"


def _request(endpoint: Endpoint, model: Model, deployment: str, key: str) -> dict[str, Any]:
    """URL, headers and body of a chat completion of a few tokens."""
    body = {
        **model.params,
        "model": deployment,
        "messages": [{"role": "user", "content": "Say ok."}],
        "stream": True,
    }
    base = endpoint.base_url.rstrip("/")
    if endpoint.kind == "azure":
        return {
            "url": f"{base}/openai/deployments/{deployment}/chat/completions",
            "params": {"api-version": endpoint.api_version},
            "headers": {"api-key": key},
            "json": body,
        }
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return {"url": f"{base}/chat/completions", "headers": headers, "json": body}
