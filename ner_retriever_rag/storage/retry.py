"""Retry calls to a Chroma server that is temporarily unavailable.

Every call made through ``call_with_retry`` is idempotent: a read, an upsert or a delete by id,
metadata set as a whole, a collection with a unique name. So a call whose answer was lost is made
again, whether or not the server carried it out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

PATIENCE = 60.0  # seconds after which a server that does not answer counts as down
_LONGEST_WAIT = 5.0  # seconds between two attempts
_BUSY = (429, 502, 503, 504)  # from an overloaded server, or a proxy in front of it

T = TypeVar("T")


def call_with_retry(call: Callable[[], T], client: ClientAPI) -> T:
    """Call, and retry with backoff while the server cannot be reached or is busy.

    Args:
        call: An idempotent call.
        client: The client it is made with; an embedded one is always available.

    Raises:
        ConnectionError: If the server stays unavailable.
    """
    attempts = Retrying(
        retry=retry_if_exception(is_unavailable),
        wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_WAIT),
        stop=stop_after_delay(PATIENCE),
        reraise=True,
    )
    try:
        return attempts(call)
    except Exception as error:
        if is_unavailable(error):
            raise unavailable(client, error) from error
        raise


def is_unavailable(error: BaseException) -> bool:
    """Whether an error means that a server could not be reached or is busy."""
    import httpx
    from chromadb.errors import RateLimitError

    # Chroma raises a bare Exception while handling the httpx error that has the status.
    status = error.__context__ if type(error) is Exception else None
    return isinstance(error, httpx.TransportError | RateLimitError) or (
        isinstance(status, httpx.HTTPStatusError) and status.response.status_code in _BUSY
    )


def unavailable(client: ClientAPI, error: BaseException) -> ConnectionError:
    """Return the error to raise for a server that stays unavailable."""
    settings = client.get_settings()
    host, port = settings.chroma_server_host, settings.chroma_server_http_port
    address = host if "://" in str(host) else f"{host}:{port}"
    return ConnectionError(
        f"the Chroma server at {address} does not answer ({str(error) or type(error).__name__}): "
        "check that it is running (ner-retriever serve DIR, or chroma run) and that the address is "
        "right, then repeat the call; what was written is kept, and the same add resumes from there"
    )
