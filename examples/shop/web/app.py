"""
The shop's public page, made of answers that it fetches while you wait.

    GET /              a page
    GET /report.json   the same facts for programs
    GET /health        {"ok": true}
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import calls
import page


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits up to 40 ms behind its headers

    def do_GET(self) -> None:
        match self.path.split("?")[0]:
            case "/":
                self.answer("text/html; charset=utf-8", page.render(calls.report()).encode())
            case "/report.json":
                self.json(200, calls.report())
            case "/health":
                self.json(200, {"ok": True})
            case path:
                self.json(404, {"error": f"there is no {path}, try / or /report.json"})

    def json(self, status: int, content: dict[str, object]) -> None:
        self.answer("application/json", json.dumps(content, indent=2).encode() + b"\n", status)

    def answer(self, kind: str, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.send_header("cache-control", "no-store")
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = ThreadingHTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), Web)
    print(f"web listens on {server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
