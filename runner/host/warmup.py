"""One plain and one streamed call to nobody, before the first fork.

Apart from the zygote because it is about openai: its first call imports and builds 70 ms worth of
models, which every host would otherwise pay for. No socket, no thread: forks must stay safe.
"""

import httpx2
import openai

from runner.host import guard

_CHOICE = '"index": 0, "finish_reason": null'
_PLAIN = (
    '{"id": "", "object": "chat.completion", "created": 0, "model": "m", "choices": '
    f'[{{{_CHOICE}, "message": {{"role": "assistant", "content": ""}}}}]}}'
)
_CHUNK = (
    '{"id": "", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": '
    f'[{{{_CHOICE}, "delta": {{"role": "assistant", "content": ""}}}}]}}'
)


def warm_up() -> None:
    """Load and build what a host's first calls need, the SSL context included."""
    guard.ssl_context()
    for body, kind in ((_PLAIN, "application/json"), (f"data: {_CHUNK}\n\n", "text/event-stream")):
        response = httpx2.Response(200, headers={"content-type": kind}, text=body)
        transport = httpx2.MockTransport(lambda _, response=response: response)
        with (
            httpx2.Client(transport=transport) as http,
            openai.OpenAI(
                base_url="http://127.0.0.1/v1", api_key="none", max_retries=0, http_client=http
            ) as client,
        ):
            answer = client.chat.completions.create(
                model="m", messages=[], stream=kind == "text/event-stream"
            )
            if isinstance(answer, openai.Stream):
                for _ in answer:
                    pass
