"""
What may wait at the gate, and for how long: all numbers, each with its reason.

A held request costs the gateway memory and the control plane a call; both have to stay small
whoever calls. Beyond a limit the answer is 503 with ``Retry-After``.
"""

from dataclasses import dataclass

HELD_SECONDS = 60
"""For how long a call may wait. A start takes seconds, and most clients wait for a minute."""

ANSWER_SECONDS = HELD_SECONDS + 5
"""When the gateway gives up on a control plane that is silent: after it would have refused."""

HELD_PER_SERVICE = 2_000
"""Calls of one service that wait at once: twice a burst of a thousand first requests."""

HELD_IN_ALL = 4_000
"""Calls that wait at once. Each without a body has 80 KiB of the gateway's memory (measured)."""

BUFFERED_BYTES = 5 << 19
"""
What the gateway has in memory of the body of one held request at the most: 2.24 MiB were measured.

Bodies are not read to the end: flow control stops the sender. Until then there are the buffers of
the listener that was dialled and of the connection to the gate (1 MiB each, Envoy's default), of
the gate (64 KiB), and of the sockets between them, which are the kernel's.
"""

BUFFERED_HTTP2_BYTES = 50 << 20
"""
The same over HTTP/2, where a sender between services is let send what its windows hold: 49 MiB were
measured, and 43 at a callee that runs and does not read. The public listener's windows are 256 KiB.
"""

UNSAID_BYTES = 256 << 10
"""
What is counted for a body that says nothing of its length: what a stranger may send on one stream
before it is read. Most such are small messages of gRPC.
"""

HELD_BYTES_PER_SERVICE = 256 << 20
HELD_BYTES_IN_ALL = 512 << 20
"""Of such bodies, counted by what they say of their length, up to what is buffered."""


@dataclass(frozen=True, slots=True)
class HeldLimits:
    """Of one gate."""

    seconds: float = HELD_SECONDS
    per_service: int = HELD_PER_SERVICE
    in_all: int = HELD_IN_ALL
    bytes_per_service: int = HELD_BYTES_PER_SERVICE
    bytes_in_all: int = HELD_BYTES_IN_ALL


RETRY_AFTER_SECONDS = 2
"""What a caller is told that was refused because too many wait."""

CONNECTIONS_PER_PORT = 1_000
"""
TCP connections through the gate of one port. They are no requests that can be refused in words:
what is more is closed at once.
"""

CONNECT_BACKOFF_SECONDS = 0.03, 0.045
"""
Between two attempts to reach a replica, the first and every later one: Envoy takes a random part
of it. So a replica that listens at last is found 22 ms later on average, 45 ms at the most; the
namespace of a stopped one refuses at once, so that an attempt costs some 50 µs.
"""

TOLD_AGAIN_SECONDS = 2
"""
Between two tellings of a TCP connection that may be held: of the first nobody may have heard, or
too many waited.
"""

CONNECT_ATTEMPTS = 2_600
"""Of a held TCP connection: ``HELD_SECONDS`` of attempts."""
