"""
Calls from inside a container's network namespace, where identity and policy are real.

A thread enters the namespace and stays there: what it opens is the container's as the kernel
sees it, and no program has to be started for a call.
"""

import contextlib
import ctypes
import http.client
import os
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
POLL_SECONDS = 0.005
"""More often would take the processor from what is waited for."""

ATTEMPT_SECONDS = 1.0
LONGEST_SECONDS = 180.0
"""Of what is done in a namespace: it has limits of its own, which come first."""

DNS_PORT = 53
OK = 200
_QUERY = struct.Struct(">HHHHHH")
_A, _IN = 1, 1


class NotAnswered(Exception):
    """Not within the time that it was given."""


class Caller:
    """A thread in the network namespace of a process."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._pool = ThreadPoolExecutor(1, initializer=self._enter)

    def start(self, work: Callable[[], T]) -> Future[T]:
        return self._pool.submit(work)

    def run(self, work: Callable[[], T]) -> T:
        return self._pool.submit(work).result(LONGEST_SECONDS)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def _enter(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        held = os.open(f"/proc/{self._pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if libc.setns(held, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(held)


def first_200(
    find: Callable[[], str | None], port: int, host: str, within: float, expected: str = ""
) -> float:
    """
    The moment (``time.perf_counter``) of the first 200 whose body has ``expected`` in it.

    ``find`` gives the address, None as long as there is none.
    """
    deadline = time.perf_counter() + within
    address = None
    while time.perf_counter() < deadline:
        address = address or find()
        if address is not None:
            answer = get(address, port, host)
            if answer is not None and expected.encode() in answer:
                return time.perf_counter()
        time.sleep(POLL_SECONDS)
    raise NotAnswered(f"{host}: no 200 within {within:g} s")


def get(address: str, port: int, host: str) -> bytes | None:
    """The body of a 200; None for anything else."""
    status, body = ask(address, port, host)
    return body if status == OK else None


def ask(address: str, port: int, host: str) -> tuple[int, bytes]:
    """Status and body, on a new connection; 0 where there was no answer."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection(address, port, timeout=ATTEMPT_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read()
    return 0, b""


def resolve(name: str, server: str) -> str | None:
    """The address that this DNS server has for it now; nothing is cached on the way."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    query = _QUERY.pack(0x5C0D, 0x0100, 1, 0, 0, 0) + question + b"\0" + struct.pack(">HH", _A, _IN)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(ATTEMPT_SECONDS)
        try:
            connection.sendto(query, (server, DNS_PORT))
            answer = connection.recv(512)
        except OSError:
            return None
    answers = _QUERY.unpack_from(answer)[3]
    # The answer repeats the question; its first record ends with the address.
    at = len(query) + 12
    return socket.inet_ntoa(answer[at : at + 4]) if answers else None
