"""
Answers on 8080 after ``?ms=`` milliseconds, and speaks first on 8081.

It runs in a container of the bench, on an interpreter without third-party packages.
"""

import asyncio
import re

ASKED = re.compile(rb"GET /\S*[?]ms=(\d+)")
BODY = b"slow\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
GREETING = b"hello\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            asked = ASKED.match(head)
            if asked:
                await asyncio.sleep(int(asked[1]) / 1000)
            writer.write(ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GREETING)
    writer.close()


async def main() -> None:
    for speak, port in ((answer, 8080), (greet, 8081)):
        await asyncio.start_server(speak, port=port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
