"""
The tests' service: answers HTTP and TCP in every way that a mesh has to carry.

| variable      | default   | meaning                                                        |
|---------------|-----------|----------------------------------------------------------------|
| NAME          | echo      | said in every answer                                           |
| HTTP_PORT     | 8080      | HTTP/1.1 and WebSocket; 0: none                                |
| H2_PORT       | 0         | HTTP/2 without TLS, by prior knowledge                         |
| BANNER_PORT   | 0         | TCP, the server speaks first: ``banner NAME``, then echoes     |
| ECHO_PORT     | 0         | TCP, the client speaks first: echoes ``NAME`` and what came    |
| LISTEN        | 0.0.0.0   | address to listen on                                           |
| START_SECONDS | 0         | delay before it listens                                        |
| DIE_SECONDS   |           | not empty: it ends with code 3 so long after it listens        |
| IGNORE_TERM   |           | not empty: SIGTERM changes nothing                             |
"""

import asyncio
import os
import signal
import sys

import http1
import http2
import tcp
from state import State


async def main() -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    if os.environ.get("IGNORE_TERM"):
        loop.add_signal_handler(signal.SIGTERM, lambda: print("SIGTERM ignored", flush=True))
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)

    state = State(name=os.environ.get("NAME", "echo"))
    await _delay(float(os.environ.get("START_SECONDS", "0")), stop)
    servers = [server async for server in _servers(state)]
    print(f"{state.name} listens", flush=True)
    if seconds := os.environ.get("DIE_SECONDS"):
        loop.call_later(float(seconds), _die, state)

    await stop.wait()
    for server in servers:
        server.close()
    state.stopping.set()
    await state.idle(within_seconds=30)
    print(f"{state.name} stopped", flush=True)


def _die(state: State) -> None:
    print(f"{state.name} gives up", flush=True)
    os._exit(3)


async def _servers(state: State):
    address = os.environ.get("LISTEN", "0.0.0.0")
    for variable, default, serve in (
        ("HTTP_PORT", "8080", http1.serve),
        ("H2_PORT", "0", http2.serve),
        ("BANNER_PORT", "0", tcp.banner),
        ("ECHO_PORT", "0", tcp.echo),
    ):
        if port := int(os.environ.get(variable, default)):
            yield await asyncio.start_server(state.tracked(serve), address, port)


async def _delay(seconds: float, stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds or 0.001)
    except TimeoutError:
        return
    sys.exit(0)


asyncio.run(main())
