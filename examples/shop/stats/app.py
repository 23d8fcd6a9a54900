"""
The task beside web: remembers how long its pages took. Reached on localhost, by web alone.

    POST /views  {"ms": 12.5}    {"views": 3, "median_ms": 11.9}
"""

import json
import os
import signal
import statistics
import sys
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = 1000

views = 0
recent: deque[float] = deque(maxlen=KEPT)


class Stats(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or a body waits up to 40 ms behind its headers

    def do_POST(self) -> None:
        global views
        view = json.loads(self.rfile.read(int(self.headers["content-length"])))
        views += 1
        recent.append(float(view["ms"]))
        body = json.dumps(
            {"views": views, "median_ms": round(statistics.median(recent), 1)}
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # No other service and no outsider has any business here.
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9090"))), Stats)
    print(f"stats listens on localhost:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
