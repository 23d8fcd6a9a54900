"""
Dials many at once from the network namespace it is started in, and tells what came back.

    nsenter --net=/proc/PID/ns/net python3 reach.py dial    [["tcp", "10.0.0.2", 80, "text"], …] on
                                                            standard input; the answers, in order, as
                                                            [{"got": …, "error": …, "ms": …}, …]
    nsenter --net=/proc/PID/ns/net python3 reach.py answer NAME PORT      to UDP, until it is killed
"""

import json
import os
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PATIENCE_SECONDS = 1.2
TCP_PATIENCE_SECONDS = 5.0
"""A refusal that is lost on its way comes with the next SYN, after 1 or 3 s."""

AT_ONCE = 256
ECHO_REQUEST, ECHO_REPLY = 8, 0


def main() -> None:
    match sys.argv[1:]:
        case ["dial"]:
            with ThreadPoolExecutor(AT_ONCE) as threads:
                print(json.dumps(list(threads.map(attempt, json.load(sys.stdin)))))
        case ["answer", name, port]:
            answer(name, int(port))


def answer(name: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("0.0.0.0", port))
        print("ready", flush=True)
        while True:
            _, sender = channel.recvfrom(1024)
            channel.sendto(name.encode(), sender)


def attempt(target: tuple[str, str, int, str]) -> dict[str, Any]:
    kind, host, port, text = target
    began = time.monotonic()
    got, problem = "", ""
    try:
        got = {"tcp": tcp, "udp": udp, "ping": ping}[kind](host, port, text)
    except OSError as error:
        problem = type(error).__name__
    return {"got": got, "error": problem, "ms": round((time.monotonic() - began) * 1000)}


def tcp(host: str, port: int, text: str) -> str:
    with socket.create_connection((host, port), TCP_PATIENCE_SECONDS) as channel:
        channel.sendall(text.encode())
        # Until it ends or is silent: headers come before the body that has the name.
        got = b""
        try:
            while part := channel.recv(65536):
                got += part
                channel.settimeout(0.2)
        except TimeoutError:
            if not got:
                raise
        return got.decode("utf-8", "replace")


def udp(host: str, port: int, text: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(PATIENCE_SECONDS)
        channel.connect((host, port))
        channel.send(text.encode())
        return channel.recv(1024).decode()


def ping(host: str, _port: int, _text: str) -> str:
    number = int.from_bytes(os.urandom(2), "big")
    message = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, number, 1)
    total = sum(struct.unpack("!4H", message))
    message = message[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as channel:
        channel.connect((host, 0))
        channel.send(message)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            channel.settimeout(left)
            packet = channel.recv(1024)
            header = (packet[0] & 15) * 4
            kind, _, _, its_number = struct.unpack("!BBHH", packet[header : header + 6])
            if (kind, its_number) == (ECHO_REPLY, number):
                return "pong"
        raise TimeoutError


if __name__ == "__main__":
    main()
