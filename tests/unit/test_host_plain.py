"""Requests and answers as plain data: nothing that an SDK says is lost or added on the way."""

from collections.abc import Iterator

import httpx2
import pytest

from runner.core.plan import Endpoint
from runner.host import plain, proxy
from runner.host.proxy_http import Request

URL = "http://host:81/v1/chat/completions?x=1"


def test_an_sdk_request_keeps_its_parts() -> None:
    request = httpx2.Request("POST", URL, headers={"X-One": "1"}, content=b"body")
    sent = plain.outgoing(request)
    assert (sent.method, sent.body, sent.headers) == ("POST", b"body", request.headers.raw)
    made = sent.with_headers([(b"a", b"b")])
    assert made.method == b"POST"
    assert made.headers == [(b"a", b"b")]
    assert bytes(made.url) == URL.encode()
    assert made.stream is request.stream


def test_a_request_that_is_a_stream_has_no_body_to_send_again() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"once"

    assert plain.outgoing(httpx2.Request("POST", URL, content=pieces())).body is None


def test_the_extension_for_another_target_holds() -> None:
    request = httpx2.Request("OPTIONS", URL, extensions={"target": b"*"})
    assert plain.outgoing(request).with_headers([]).url.target == b"*"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"text/event-stream; charset=utf-8", "text/event-stream"),
        (b" application/json ", "application/json"),
    ],
)
def test_the_media_type_is_read_without_parameters(value: bytes, kind: str) -> None:
    assert plain.content_type([(b"X", b"y"), (b"Content-Type", value)]) == kind
    assert plain.content_type([]) == ""


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("POST", b"{}", b"2"), ("POST", b"", b"0"), ("GET", b"", None), ("DELETE", b"x", b"1")],
)
def test_what_a_program_asks_leaves_with_our_headers(
    method: str, body: bytes, length: bytes | None
) -> None:
    headers = {b"host": b"h:9", b"authorization": b"Bearer token", b"content-length": b"7"}
    request = Request(method, "/v1/models", {**headers, b"x-mine": b"caf\xe9"}, body)
    sent = proxy._outgoing(request, Endpoint(name="e", base_url="http://host:81/v1"))
    found = dict(sent.headers)
    assert len(found) == len(sent.headers)
    assert found[b"host"] == b"host:81"
    assert b"token" not in found[b"authorization"]
    assert found[b"x-mine"] == b"caf\xe9"
    assert found.get(b"content-length") == length
    assert str(sent.url) == "http://host:81/v1/models"


def test_the_key_of_an_azure_endpoint_has_azures_header() -> None:
    request = Request("POST", "/openai/deployments/d/chat", {b"api-key": b"token"}, b"{}")
    endpoint = Endpoint(name="e", base_url="https://here", kind="azure", api_version="1")
    found = dict(proxy._outgoing(request, endpoint).headers)
    assert found[b"api-key"] != b"token"
    assert b"authorization" not in found
