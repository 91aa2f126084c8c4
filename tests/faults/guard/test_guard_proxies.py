"""Calls through HTTP and HTTPS proxies: guarded on every leg."""

import contextlib
import socket
import threading
from typing import Any

import httpx2
import pytest

from runner.host import guard
from runner.host.scope import Aborted


@pytest.fixture(autouse=True)
def through_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of these tests are on loopback, which is never proxied otherwise."""
    monkeypatch.setattr(guard, "_is_loopback", lambda host: False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def tunnel(peer: Any) -> None:
    """CONNECT, then bytes in both directions."""
    head, _ = peer.request() or ("", b"")
    if not head.startswith("CONNECT "):
        return
    host, port = head.split()[1].split(":")
    with socket.create_connection((host, int(port))) as far:
        peer.send("HTTP/1.1 200 OK\r\n\r\n")
        back = threading.Thread(target=pump, args=(far, peer.sock), daemon=True)
        back.start()
        pump(peer.sock, far)
        back.join(10)


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def test_http_goes_through_the_proxy(
    serve: Any, attempt: Any, words: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forward(peer: Any) -> None:
        while peer.request() is not None:
            peer.json(words.reply())

    proxy = serve(forward)
    monkeypatch.setenv("http_proxy", f"http://user:pass@127.0.0.1:{proxy.port}")
    one = attempt("http://model.example/v1")

    assert one.ask() == "hi"
    assert proxy.requests[0].startswith("POST http://model.example/v1/chat/completions ")
    assert "proxy-authorization: basic" in proxy.requests[0].lower()


@pytest.mark.parametrize("outer", ["http", "https"])
def test_https_goes_through_a_tunnel_and_is_guarded_in_it(
    serve: Any,
    attempt: Any,
    words: Any,
    server_tls: Any,
    client_tls: Any,
    monkeypatch: pytest.MonkeyPatch,
    outer: str,
) -> None:
    def handler(peer: Any) -> None:
        peer.request()
        peer.json(words.reply())
        peer.request()
        peer.hold()

    server = serve(handler, server_tls)
    proxy = serve(tunnel, server_tls if outer == "https" else None)
    monkeypatch.setenv("https_proxy", f"{outer}://localhost:{proxy.port}")
    one = attempt(f"https://localhost:{server.port}/v1", context=client_tls, first_byte=0.3)
    assert one.ask() == "hi"

    outcome = one.in_thread(lambda: one.ask(stream=True)).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:first_byte"
    assert proxy.requests == [proxy.requests[0]]
    assert len(server.requests) == 2


def test_a_proxy_that_does_not_answer_connect_hits_the_connect_limit(
    serve: Any, attempt: Any, client_tls: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(lambda peer: (peer.request(), peer.hold()))
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
    one = attempt("https://model.example/v1", context=client_tls, connect=0.3)

    outcome = one.in_thread(one.ask).wait()

    assert isinstance(outcome.error, Aborted)
    assert outcome.error.reason == "deadline:connect"


def test_no_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "inside.example")

    assert guard.proxy_for(httpx2.URL("https://outside.example/")) == "http://proxy.example:3128"
    assert guard.proxy_for(httpx2.URL("https://inside.example/")) == ""
