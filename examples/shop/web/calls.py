"""
The calls that a page is made of.

| call           | goes                        | must                                       |
|----------------|-----------------------------|--------------------------------------------|
| web → api      | through the mesh, by name   | be answered                                |
| web → cache    | through the mesh, by name   | be refused: no byte of Redis may come back |
| web → stats    | over localhost              | be answered                                |
"""

import json
import os
import socket
import time
import urllib.error
import urllib.request

API_URL = os.environ.get("API_URL", "http://api:8080")
STATS_URL = os.environ.get("STATS_URL", "http://localhost:9090")
CACHE = os.environ.get("CACHE", "cache:6379")
TIMEOUT_SECONDS = 3

Facts = dict[str, object]


def report() -> dict[str, object]:
    started = time.monotonic()
    api = _timed(lambda: _asked(f"{API_URL}/visits"))
    cache = _timed(_knocked_at_the_cache)
    stats = _timed(lambda: _asked(f"{STATS_URL}/views", {"ms": _since(started)}))
    return {
        "ok": bool(api["ok"] and cache["refused"] and stats["ok"]),
        "api": {"url": f"{API_URL}/visits", **api},
        "cache": {"address": CACHE, **cache},
        "stats": {"url": f"{STATS_URL}/views", **stats},
        "replica": socket.gethostname(),
        "ms": _since(started),
    }


def _asked(url: str, content: Facts | None = None) -> Facts:
    body = None if content is None else json.dumps(content).encode()
    try:
        with urllib.request.urlopen(url, body, TIMEOUT_SECONDS) as answer:
            return {"ok": True, "status": answer.status, **json.load(answer)}
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace").strip()
        return {"ok": False, "status": error.code, "error": said or error.reason}
    except (OSError, ValueError) as error:
        return {"ok": False, "error": str(error)}


def _knocked_at_the_cache() -> Facts:
    """
    Says PING and waits for a byte.

    Refused is a connection that is turned away, or closed before anything came. Silence is not:
    a cache that is merely down must not look like a policy that works.
    """
    host, port = CACHE.split(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            got = connection.recv(64)
    except (ConnectionRefusedError, ConnectionResetError, BrokenPipeError) as error:
        return {"refused": True, "reached": False, "how": error.strerror}
    except OSError as error:
        return {"refused": False, "reached": False, "how": f"no answer: {error}"}
    if got:
        return {"refused": False, "reached": True, "how": f"it answered {got!r}"}
    return {"refused": True, "reached": False, "how": "closed before a byte came"}


def _timed(call) -> Facts:
    started = time.monotonic()
    facts = call()
    return {**facts, "ms": _since(started)}


def _since(started: float) -> float:
    return round((time.monotonic() - started) * 1000, 1)
