"""The clients that executor code gets: real SDK objects over the guarded transports.

Apart from the transports because only this file knows openai, which costs 0.4 s of CPU to import:
the zygote does so once. No client holds a key (see `apikey`), none retries by itself.
"""

from typing import Any

import httpx2
import openai

from runner.host.calls import PLACEHOLDER_KEY, Session
from runner.host.guard import Connections
from runner.host.guard_async import AsyncConnections
from runner.host.transport import GuardTransport
from runner.host.transport_async import AsyncGuardTransport


def http_client(session: Session, connections: Connections) -> httpx2.Client:
    """A client for any address: guarded everywhere, recorded and retried at the endpoint."""
    transport = GuardTransport(session, connections)
    return httpx2.Client(transport=transport, timeout=None, follow_redirects=True)


def async_http_client(session: Session) -> httpx2.AsyncClient:
    """The same for the attempt's event loop; its connections end with the scope."""
    connections = AsyncConnections()
    session.scope.at_close(connections.close)
    transport = AsyncGuardTransport(session, connections)
    return httpx2.AsyncClient(transport=transport, timeout=None, follow_redirects=True)


def openai_client(session: Session, connections: Connections) -> openai.OpenAI:
    """An OpenAI client, an AzureOpenAI for endpoints of that kind."""
    http = http_client(session, connections)
    if session.endpoint.kind == "azure":
        return openai.AzureOpenAI(http_client=http, **_azure(session))
    return openai.OpenAI(http_client=http, **_openai(session))


def async_openai_client(session: Session) -> openai.AsyncOpenAI:
    """The same for the attempt's event loop."""
    http = async_http_client(session)
    if session.endpoint.kind == "azure":
        return openai.AsyncAzureOpenAI(http_client=http, **_azure(session))
    return openai.AsyncOpenAI(http_client=http, **_openai(session))


def _openai(session: Session) -> dict[str, Any]:
    return _common() | {"base_url": session.endpoint.base_url}


def _azure(session: Session) -> dict[str, Any]:
    endpoint = session.endpoint
    return _common() | {
        "azure_endpoint": endpoint.base_url,
        "api_version": endpoint.api_version,
    }


def _common() -> dict[str, Any]:
    return {"api_key": PLACEHOLDER_KEY, "max_retries": 0, "timeout": None}
