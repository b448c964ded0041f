"""Calls to a Chroma server, which may be unavailable for a while.

Every call made through ``call_with_retry`` can be made twice: a read, an upsert or a delete by id,
metadata set as a whole, a collection with a unique name. So a call whose answer got lost
is made again, whether the server had carried it out or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

PATIENCE = 60.0  # seconds until a server that does not answer counts as down
_LONGEST_WAIT = 5.0  # seconds between two attempts
_BUSY = (429, 502, 503, 504)  # said by a server that has too much to do, or before one

T = TypeVar("T")


def call_with_retry(call: Callable[[], T], client: ClientAPI) -> T:
    """Call, and again with growing waits while the server cannot be reached or is busy.

    Args:
        call: A call that can be made twice.
        client: The client it is made with; an embedded one is always there.

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
    """Whether an error says that a server could not be reached, or not now."""
    import httpx
    from chromadb.errors import RateLimitError

    # Chroma raises a bare Exception in handling the error of httpx that has the status.
    status = error.__context__ if type(error) is Exception else None
    return isinstance(error, httpx.TransportError | RateLimitError) or (
        isinstance(status, httpx.HTTPStatusError) and status.response.status_code in _BUSY
    )


def unavailable(client: ClientAPI, error: BaseException) -> ConnectionError:
    """The error of a server that stays unavailable, in our words."""
    settings = client.get_settings()
    host, port = settings.chroma_server_host, settings.chroma_server_http_port
    address = host if "://" in str(host) else f"{host}:{port}"
    return ConnectionError(
        f"the Chroma server at {address} does not answer ({str(error) or type(error).__name__}): "
        "see that it runs (ner-retriever serve DIR, or chroma run) and that the address is right, "
        "then repeat the call; what was written is kept, and the same add goes on from there"
    )
