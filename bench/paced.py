"""
Requests at a steady pace on one connection: ``python -m bench.paced ADDRESS PORT RATE SECONDS``.

Prints an empty line once it begins, and in the end when each began and how long it took, on the
monotonic clock. One that is late because of the one before counts from when it was due.
"""

import http.client
import json
import sys
import time


def main(address: str, port: str, rate: str, seconds: str) -> None:
    connection = http.client.HTTPConnection(address, int(port), timeout=30)
    connection.connect()
    found = []
    print(flush=True)
    due, ended = time.monotonic(), time.monotonic() + float(seconds)
    while due < ended:
        time.sleep(max(0.0, due - time.monotonic()))
        connection.request("GET", "/", headers={"Host": "paced"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"paced: {answer.status}")
        found.append((due, time.monotonic() - due))
        due += 1 / float(rate)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
