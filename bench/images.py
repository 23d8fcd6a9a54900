"""
The images under load: nginx with an answer that costs it next to nothing, and a program that
takes its time for an answer, and speaks first on its other port.
"""

import asyncio
from pathlib import Path

from bench.engine import SOCKET, Images
from spacecloud.drivers.docker.engine import connect
from spacecloud.drivers.docker.images.binaries import program
from spacecloud.drivers.docker.images.ensure import ensure_recipe
from spacecloud.drivers.docker.images.interpreter import PYTHON_PATH, nobody, python
from spacecloud.drivers.docker.images.platform_images import recipe
from spacecloud.drivers.docker.images.recipe import Folder, Recipe, Written

HTTP_PORT = 8080
TCP_PORT = 8081
"""The same server, declared as a port of plain TCP."""

CHAIN = ("chain-a", "chain-b", "chain-c")
"""Services of which each but the last asks the next."""

COMMAND = ("-e", "stderr", "-c", "/etc/nginx/{answer}.conf")


def command(answer: str) -> list[str]:
    """Of a server whose answers have ``a`` or ``b`` in them, or are those of ``to-<service>``."""
    return [part.format(answer=answer) for part in COMMAND]


def ensure_images(nginx: Path) -> Images:
    server, slow = _server(nginx), _slow()

    async def build() -> None:
        async with connect(f"unix://{SOCKET}") as docker:
            for wanted in (recipe("pause"), server, slow):
                await ensure_recipe(docker, wanted)

    asyncio.run(build())
    return Images(recipe("pause").reference(), server.reference(), slow.reference())


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
            *(
                Written(f"/etc/nginx/to-{link}.conf", _configuration("a", link))
                for link in CHAIN[1:]
            ),
        ),
        entrypoint=("/usr/sbin/nginx",),
        command=tuple(command("a")),
        labels={"space-cloud.image": "bench"},
    )


def _slow() -> Recipe:
    source = Path(__file__).with_name("slow_server.py").read_bytes()
    return Recipe(
        "space-cloud-bench/slow",
        (*python(), Written("/app/slow_server.py", source)),
        entrypoint=(PYTHON_PATH, "-S", "-E", "/app/slow_server.py"),
        labels={"space-cloud.image": "bench"},
    )


def _configuration(answer: str, onward: str = "") -> bytes:
    """``onward``: the service whose answer is given."""
    says = f'return 200 "$hostname says {answer}\\n";'
    if onward:
        says = f"proxy_pass http://{onward}:{HTTP_PORT};"
    return f"""
daemon off; user root root; pid /tmp/nginx.pid; worker_processes 1; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; tcp_nodelay on;
    server {{
        listen {HTTP_PORT}; listen {TCP_PORT};
        location / {{ {says} }}
    }}
}}
""".encode()
