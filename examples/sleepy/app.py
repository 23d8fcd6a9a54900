"""
One of the three services of the chain; which one, its environment says.

    GET /          {"service": "web", "visits": 3, "behind": …}: with what the next one said
    GET /health    {"ok": true}
"""

import http.client
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ["NAME"]
NEXT = os.environ.get("NEXT", "")
"""The service that this one calls, as in ``api:8080``; empty: none."""

TIMEOUT_SECONDS = 30

counted = threading.Lock()
visits = 0
"""Kept in memory: a frozen replica goes on counting, a stopped one begins anew."""


def counted_visit() -> int:
    global visits
    with counted:
        visits += 1
        return visits


def called(authority: str) -> dict[str, object]:
    """What the next one says, how long it took, and for how long its wake held the call."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(authority, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(
            f"{authority} answered {answer.status}: {body[:200].decode(errors='replace')}"
        )
    return {
        "service": authority.partition(":")[0],
        "milliseconds": round(1000 * (time.monotonic() - began), 1),
        "wakeMs": answer.headers.get("space-cloud-wake-ms"),
        "said": json.loads(body),
    }


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits up to 40 ms behind its headers

    def do_GET(self) -> None:
        match self.path:
            case "/health":
                self.answer(200, {"ok": True})
            case "/":
                self.chain()
            case _:
                self.answer(404, {"error": f"there is no {self.path}, try /"})

    def chain(self) -> None:
        mine: dict[str, object] = {"service": NAME, "visits": counted_visit()}
        try:
            behind = called(NEXT) if NEXT else None
        except (OSError, http.client.HTTPException) as error:
            self.answer(502, {**mine, "error": str(error)})
        else:
            self.answer(200, {**mine, **({"behind": behind} if behind else {})})

    def answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("0.0.0.0", 8080), App)
    print(f"{NAME} listens on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
