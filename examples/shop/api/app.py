"""
The shop's api: counts visits in the cache.

    GET /visits    {"visits": 42, "replica": "…"}, or 503 when the cache cannot be reached
    GET /health    {"ok": true}
"""

import json
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CACHE_HOST, CACHE_PORT = os.environ.get("CACHE", "cache:6379").split(":")
TIMEOUT_SECONDS = 2


def incremented(key: str) -> int:
    """Redis' INCR, in its own protocol: an array of two strings, answered by an integer."""
    with socket.create_connection((CACHE_HOST, int(CACHE_PORT)), TIMEOUT_SECONDS) as cache:
        cache.sendall(b"*2\r\n$4\r\nINCR\r\n$%d\r\n%s\r\n" % (len(key), key.encode()))
        answer = cache.makefile("rb").readline()
    if not answer.startswith(b":"):
        said = answer.decode(errors="replace").strip() or "nothing and closed the connection"
        raise ConnectionError(f"the cache said {said}")
    return int(answer[1:])


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits up to 40 ms behind its headers

    def do_GET(self) -> None:
        match self.path:
            case "/health":
                self.answer(200, {"ok": True})
            case "/visits":
                self.visits()
            case _:
                self.answer(404, {"error": f"there is no {self.path}, try /visits"})

    def visits(self) -> None:
        try:
            count = incremented("visits")
        except OSError as error:
            self.answer(503, {"error": f"cache: {error}"})
        else:
            self.answer(200, {"visits": count, "replica": socket.gethostname()})

    def answer(self, status: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Api)
    print(f"api listens on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
