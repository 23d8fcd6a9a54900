#!/usr/bin/python3
"""
A client inside a pod; prints one JSON object with ``ok`` and what happened, exits 0 if ok.

    call http URL [--method POST] [--header 'name: value']... [--body TEXT] [--timeout 5]
    call tcp HOST PORT [TEXT] [--timeout 5]       reached means: bytes of the callee arrived
    call hold HOST PORT [--every 0.2] [--seconds 60]    echo until it breaks; says how long it held
    call ws URL [--every 0.2] [--seconds 60]            the same over a WebSocket
    call resolve NAME                             getaddrinfo
    call dns NAME TYPE [--server ADDRESS] [--port 53] [--tcp]
                                                  raw query: rcode and answers' count
"""

import argparse
import base64
import http.client
import json
import os
import random
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

_TYPES = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
_RCODES = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}


def main() -> int:
    asked = _arguments()
    started = time.monotonic()
    try:
        outcome = _COMMANDS[asked.command](asked)
    except (OSError, EOFError, http.client.HTTPException) as error:
        outcome = {"ok": False, "error": _word(error), "detail": str(error)}
    outcome["ms"] = round((time.monotonic() - started) * 1000, 1)
    print(json.dumps(outcome), flush=True)
    return 0 if outcome["ok"] else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("where", nargs="+")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--body")
    parser.add_argument("--timeout", type=float, default=5)
    parser.add_argument("--every", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--server")
    parser.add_argument("--port", type=int, default=53)
    parser.add_argument("--tcp", action="store_true")
    return parser.parse_args()


def _word(error: Exception) -> str:
    match error:
        case socket.gaierror():
            return "name"
        case ConnectionRefusedError():
            return "refused"
        case TimeoutError():
            return "timeout"
        case http.client.RemoteDisconnected() | EOFError():
            return "closed"
        case ConnectionError():
            return "reset"
        case _:
            return "failed"


def _http(asked: argparse.Namespace) -> dict:
    url = urlsplit(asked.where[0])
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=asked.timeout)
    headers = dict(tuple(part.strip() for part in h.split(":", 1)) for h in asked.header)
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    connection.request(asked.method, target, asked.body, headers)
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return {
        "ok": answer.status < 400,
        "status": answer.status,
        "headers": {name.lower(): value for name, value in answer.getheaders()},
        "body": body,
    }


def _connect(host: str, port: str, timeout: float) -> socket.socket:
    return socket.create_connection((host, int(port)), timeout)


def _tcp(asked: argparse.Namespace) -> dict:
    host, port, *text = asked.where
    with _connect(host, port, asked.timeout) as connection:
        if text:
            connection.sendall(text[0].encode() + b"\n")
        got = connection.recv(65536)
    if not got:
        return {"ok": False, "error": "closed", "detail": "closed before a byte came"}
    return {"ok": True, "got": got.decode("utf-8", "replace").rstrip("\n")}


def _hold(asked: argparse.Namespace) -> dict:
    host, port = asked.where
    with _connect(host, port, asked.timeout) as connection:
        connection.sendall(b"start\n")
        connection.recv(65536)

        def once(number: int) -> None:
            wanted = f"{number}\n".encode()
            connection.sendall(wanted)
            got = b""
            while not got.endswith(wanted):
                got += _some(connection)

        return _keep(asked, once)


def _ws(asked: argparse.Namespace) -> dict:
    url = urlsplit(asked.where[0])
    with _connect(url.hostname or "", str(url.port or 80), asked.timeout) as connection:
        key = base64.b64encode(os.urandom(16)).decode()
        connection.sendall(
            f"GET {url.path or '/ws'} HTTP/1.1\r\nhost: {url.netloc}\r\nupgrade: websocket\r\n"
            f"connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
            "".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += _some(connection)
        if b" 101 " not in head.split(b"\r\n")[0]:
            return {"ok": False, "error": "status", "detail": head.decode("latin-1")}

        def once(number: int) -> None:
            text, mask = str(number).encode(), os.urandom(4)
            masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
            connection.sendall(bytes((0x81, 0x80 | len(text))) + mask + masked)
            got = b""
            while not got.endswith(b" " + text):
                got += _some(connection)

        return _keep(asked, once)


def _keep(asked: argparse.Namespace, once) -> dict:
    """Until the time is over or the connection breaks; a line on stderr says that it began."""
    print("holding", file=sys.stderr, flush=True)
    started = time.monotonic()
    count = 0
    try:
        while time.monotonic() - started < asked.seconds:
            once(count)
            count += 1
            time.sleep(asked.every)
    except (OSError, EOFError) as error:
        held = round(time.monotonic() - started, 2)
        return {"ok": False, "error": _word(error), "held_seconds": held, "messages": count}
    return {"ok": True, "held_seconds": asked.seconds, "messages": count}


def _some(connection: socket.socket) -> bytes:
    if got := connection.recv(65536):
        return got
    raise EOFError("closed")


def _resolve(asked: argparse.Namespace) -> dict:
    found = socket.getaddrinfo(asked.where[0], 80, type=socket.SOCK_STREAM)
    return {"ok": True, "addresses": sorted({entry[4][0] for entry in found})}


def _dns(asked: argparse.Namespace) -> dict:
    name, kind = asked.where[0], asked.where[1] if len(asked.where) > 1 else "A"
    question = b"".join(bytes((len(part),)) + part.encode() for part in name.strip(".").split("."))
    query = struct.pack(">HHHHHH", random.getrandbits(16), 0x0100, 1, 0, 0, 0)
    query += question + b"\0" + struct.pack(">HH", _TYPES[kind.upper()], 1)
    server = asked.server or _name_server()
    answer = _over_tcp(server, query, asked) if asked.tcp else _over_udp(server, query, asked)
    flags, _, answers = struct.unpack_from(">HHH", answer, 2)
    rcode = _RCODES.get(flags & 0xF, str(flags & 0xF))
    return {"ok": True, "rcode": rcode, "answers": answers, "raw": answer.hex()}


def _over_udp(server: str, query: bytes, asked: argparse.Namespace) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(asked.timeout)
        channel.sendto(query, (server, asked.port))
        return channel.recv(65536)


def _over_tcp(server: str, query: bytes, asked: argparse.Namespace) -> bytes:
    with _connect(server, str(asked.port), asked.timeout) as connection:
        connection.sendall(struct.pack(">H", len(query)) + query)
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2]):
            got += _some(connection)
        return got[2:]


def _name_server() -> str:
    with open("/etc/resolv.conf") as lines:
        return next(line.split()[1] for line in lines if line.startswith("nameserver"))


_COMMANDS = {
    "http": _http,
    "tcp": _tcp,
    "hold": _hold,
    "ws": _ws,
    "resolve": _resolve,
    "dns": _dns,
}

if __name__ == "__main__":
    sys.exit(main())
