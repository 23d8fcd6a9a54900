"""The image of the server under load: nginx with an answer that costs it next to nothing."""

import asyncio
from pathlib import Path

from bench.engine import SOCKET, Images
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.images.binaries import program
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import nobody
from spacecloud.drivers.docker.images.platform_images import recipe
from spacecloud.drivers.docker.images.recipe import Folder, Recipe, Written

HTTP_PORT = 8080
TCP_PORT = 8081
"""The same server, declared as a port of plain TCP."""

COMMAND = ("-e", "stderr", "-c", "/etc/nginx/{answer}.conf")


def command(answer: str) -> list[str]:
    """Of a server whose answers have this word (``a`` or ``b``) in them."""
    return [part.format(answer=answer) for part in COMMAND]


def ensure_images(nginx: Path) -> Images:
    server = _server(nginx)

    async def build() -> None:
        async with connect(f"unix://{SOCKET}") as docker:
            for wanted in (recipe("pause"), server):
                await ensure_recipe(docker, wanted)

    asyncio.run(build())
    return Images(recipe("pause").reference(), server.reference())


def _server(nginx: Path) -> Recipe:
    return Recipe(
        "space-cloud-bench/server",
        (
            *program(nginx, "/usr/sbin/nginx"),
            *nobody(),
            Folder("/var/lib/nginx"),
            *(
                Written(f"/etc/nginx/{answer}.conf", _configuration(answer))
                for answer in ("a", "b")
            ),
        ),
        entrypoint=("/usr/sbin/nginx",),
        command=tuple(command("a")),
        labels={"space-cloud.image": "bench"},
    )


def _configuration(answer: str) -> bytes:
    return f"""
daemon off; user root root; pid /tmp/nginx.pid; worker_processes 1; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
    server {{
        listen {HTTP_PORT}; listen {TCP_PORT};
        location / {{ return 200 "$hostname says {answer}\\n"; }}
    }}
}}
""".encode()
