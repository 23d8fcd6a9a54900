"""Documents at a URL: fetched within bounds of size and time, and never written anywhere."""

import time
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, OpenerDirector

from spacecloud.errors import InvalidSpec, Mistake

SCHEMES = ("http://", "https://")
TIMEOUT_SECONDS = 10.0
"""For each answer of the server, and for each piece of it."""

LONGEST_SECONDS = 60.0
PIECE_BYTES = 1 << 16


def is_url(path: str) -> bool:
    return path.lower().startswith(SCHEMES)


def download(url: str, most_bytes: int) -> bytes:
    """One byte more than ``most_bytes`` where there is more. ``InvalidSpec`` with the reason."""
    deadline = time.monotonic() + LONGEST_SECONDS
    data = bytearray()
    try:
        with _opener().open(url, timeout=TIMEOUT_SECONDS) as answer:
            while len(data) <= most_bytes:
                piece = answer.read1(PIECE_BYTES)
                if not piece:
                    return bytes(data)
                data += piece
                if time.monotonic() > deadline:
                    raise _refusal(url, f"it takes longer than {LONGEST_SECONDS:.0f} s")
    except HTTPError as error:
        raise _refusal(url, f"the server answers {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _refusal(url, _reason(error)) from error
    return bytes(data[: most_bytes + 1])


class _Redirects(HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Never from https to what anybody on the way may change."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise _refusal(req.full_url, f"it leads to {newurl[:200]}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> OpenerDirector:
    """Of http and https alone: no file and no ftp, wherever a redirect leads."""
    from urllib.request import HTTPDefaultErrorHandler, HTTPErrorProcessor, ProxyHandler

    opener = OpenerDirector()
    for handler in (
        ProxyHandler(),
        HTTPHandler(),
        HTTPSHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return f"nothing came for {TIMEOUT_SECONDS:.0f} s"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause)
    return str(cause)


def _refusal(url: str, reason: str) -> InvalidSpec:
    message = f"cannot read {url}: {reason}"
    return InvalidSpec(message, (Mistake("", message),))
