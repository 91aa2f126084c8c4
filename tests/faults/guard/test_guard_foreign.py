"""Clients that executor code builds by itself do not defeat kills and the attempt's limit."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import openai
import pytest

from runner.host import foreign
from runner.host.scope import Aborted


@pytest.fixture(autouse=True)
def covered() -> Iterator[None]:
    foreign.install()
    yield
    foreign.remove()


def silent(peer: Any) -> None:
    peer.request()
    peer.hold()


def own_openai(url: str) -> None:
    openai.OpenAI(base_url=url, api_key="x").models.list()


def own_async_openai(url: str) -> None:
    async def call() -> None:
        await openai.AsyncOpenAI(base_url=url, api_key="x").models.list()

    asyncio.run(call())


def own_httpx(url: str) -> None:
    with httpx2.stream("GET", url, timeout=None) as response:
        response.read()


@pytest.mark.parametrize("client", [own_openai, own_async_openai, own_httpx])
@pytest.mark.parametrize("how", ["kill", "limit"])
def test_a_foreign_client_ends_with_the_attempt(
    serve: Any, attempt: Any, client: Any, how: str
) -> None:
    server = serve(silent)
    one = attempt(server)

    def run() -> None:
        with one.scope.limit("attempt", 0.3 if how == "limit" else 60):
            client(one.endpoint.base_url)

    outcome = one.in_thread(run)
    if how == "kill":
        assert server.accepted.acquire(timeout=10)
        one.scope.cancel("killed:user")
    outcome.wait()  # a hang would last 600 s, the SDK's own timeout

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == {"kill": "killed:user", "limit": "deadline:attempt"}[how]


def test_a_connection_that_is_used_by_a_thread_without_a_scope_still_has_one(
    serve: Any, attempt: Any, words: Any
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply())
        peer.request()
        peer.hold()

    one = attempt(serve(handler))

    def run() -> None:
        with httpx2.Client(timeout=None) as client, ThreadPoolExecutor(1) as pool:
            assert client.get(one.endpoint.base_url).status_code == 200
            pool.submit(client.get, one.endpoint.base_url).result()

    outcome = one.in_thread(run)
    while one.scope.bytes_in == 0:
        one.scope.sleep(0.01)
    one.scope.cancel("killed:user")
    outcome.wait()

    assert isinstance(outcome.error, Aborted)


def test_outside_of_an_attempt_nothing_changes(serve: Any, words: Any) -> None:
    server = serve(lambda peer: (peer.request(), peer.json(words.reply())))

    assert httpx2.get(f"http://127.0.0.1:{server.port}/").status_code == 200
