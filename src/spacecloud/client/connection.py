"""
Requests to the API and what its answers mean, with the standard library alone.

A command is over in a tenth of a second, so what it imports is most of what it costs.
"""

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

from spacecloud.client.problems import problem_of
from spacecloud.errors import InvalidSpec, Unavailable
from spacecloud.model.defaults import HTTP_PORT
from spacecloud.model.lines import LineCutter

TIMEOUT_SECONDS = 60.0
RETRY_AFTER_SECONDS = (0.1, 0.4)
"""Delays between tries of a request that may be sent twice."""

IDLE_SECONDS = 2.0
"""A kept connection that was quiet for longer is not used again."""

SAFE_TO_REPEAT = frozenset({"GET", "DELETE"})
CHUNK_BYTES = 65536
LONGEST_LINE = 2 * CHUNK_BYTES
"""More than the API sends, which cuts them at half of it."""


class Connection:
    """One that is kept between requests; a lost one is opened anew."""

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidSpec(
                f"the URL of the API is like http://127.0.0.1:{HTTP_PORT} (got {url!r})"
            )
        try:
            port = parts.port
        except ValueError:
            raise InvalidSpec(f"the URL {url} has a port that is not a number") from None
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.token = token
        self._prefix = parts.path.rstrip("/")
        self._host, self._port = parts.hostname, port
        self._is_tls = parts.scheme == "https"
        self._kept: http.client.HTTPConnection | None = None
        self._used_at = 0.0

    @property
    def host(self) -> str:
        return self._host

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None = None,
        body: Any = None,
        *,
        repeat: bool = False,
    ) -> Any:
        """
        The JSON of the answer. Raises what the API's problem stands for, or ``Unavailable``.

        ``repeat`` marks a POST that changes nothing.
        """
        delays = RETRY_AFTER_SECONDS if repeat or method in SAFE_TO_REPEAT else ()
        for delay in (*delays, None):
            try:
                answer = self._send(method, path, query, body)
                data = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if delay is None:
                    raise self._unavailable(error) from error
                time.sleep(delay)
        if answer.status >= 300:
            raise problem_of(answer.status, data, self.url)
        return _json(data, self.url)

    def lines(self, path: str, query: dict[str, Any]) -> Iterator[str]:
        """
        A text as it comes, line by line, for as long as it takes.

        The request is sent at once, so that its errors come before the first line is asked for.
        """
        stream = self._open(timeout=None)
        try:
            stream.request("GET", self._target(path, query), headers=self._headers())
            answer = stream.getresponse()
            problem = b"" if answer.status < 300 else answer.read()
        except (OSError, http.client.HTTPException) as error:
            stream.close()
            raise self._unavailable(error) from error
        if answer.status >= 300:
            stream.close()
            raise problem_of(answer.status, problem, self.url)
        return self._lines(stream, answer)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _lines(
        self, stream: http.client.HTTPConnection, answer: http.client.HTTPResponse
    ) -> Iterator[str]:
        cutter = LineCutter(LONGEST_LINE)
        try:
            while chunk := answer.read1(CHUNK_BYTES):
                for line in cutter.feed(chunk):
                    yield _text(line)
            for line in cutter.rest():
                yield _text(line)
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(f"the log from {self.url} broke off: {_reason(error)}") from error
        finally:
            stream.close()

    def _send(
        self, method: str, path: str, query: dict[str, Any] | None, body: Any
    ) -> http.client.HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers()
        if data is not None:
            headers["Content-Type"] = "application/json"
        # A server ends idle connections; found out while sending, a POST could not be repeated.
        if self._kept is not None and time.monotonic() - self._used_at > IDLE_SECONDS:
            self.close()
        if self._kept is None:
            self._kept = self._open(timeout=TIMEOUT_SECONDS)
        self._used_at = time.monotonic()
        self._kept.request(method, self._target(path, query), data, headers)
        return self._kept.getresponse()

    def _open(self, timeout: float | None) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=timeout)

    def _target(self, path: str, query: dict[str, Any] | None) -> str:
        wanted = {k: v for k, v in (query or {}).items() if v not in (None, "")}
        return self._prefix + path + (f"?{urlencode(wanted)}" if wanted else "")

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        return {**headers, "Authorization": f"Bearer {self.token}"} if self.token else headers

    def _unavailable(self, error: Exception) -> Unavailable:
        if isinstance(error, ConnectionRefusedError):
            return Unavailable(
                f"nothing answers at {self.url}: is the control plane running? "
                "`space-cloud start` starts it"
            )
        return Unavailable(f"no answer from {self.url}: {_reason(error)}")


def _text(line: bytes) -> str:
    """Bytes that are no text are kept, as those of file names are: ``os.fsencode`` gives them."""
    return line.removesuffix(b"\n").decode(errors="surrogateescape")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came for {TIMEOUT_SECONDS:.0f} s"
    if isinstance(error, OSError):
        return error.strerror or "the connection broke off"
    return (
        "the connection broke off"
        if isinstance(error, http.client.RemoteDisconnected)
        else (f"it does not speak HTTP ({type(error).__name__})")
    )


def _json(data: bytes, url: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        raise Unavailable(
            f"what answers at {url} is not Space Cloud's API: see SPACE_CLOUD_URL"
        ) from None
