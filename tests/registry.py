"""A container registry on loopback, as small as a pull needs: one image, its mistakes on demand."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass
class Registry:
    port: int
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    login: str = ""
    """``user:password``; empty lets everybody in."""

    asked: list[str] = field(default_factory=list)
    stuck: threading.Event = field(default_factory=threading.Event)
    """Set: no layer is ever given."""

    def push(self, name: str, tag: str = "1", architecture: str = "amd64", size: int = 1000) -> str:
        """An image with one file of random-looking content; its reference."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            info = tarfile.TarInfo(f"{name}.txt")
            content = hashlib.shake_128(f"{name}{tag}".encode()).digest(size)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        layer = gzip.compress(buffer.getvalue(), mtime=0)
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": [f"/{name}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(buffer.getvalue())]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(CONFIG, json.dumps(config).encode()),
            "layers": [self._blob(LAYER, layer)],
        }
        self.manifests[f"{name}:{tag}"] = json.dumps(manifest).encode()
        return f"127.0.0.1:{self.port}/{name}:{tag}"

    def lose_layers(self) -> None:
        """Only what is small, the configs, is still there."""
        self.blobs = {d: b for d, b in self.blobs.items() if b.startswith(b"{")}

    def _blob(self, media_type: str, content: bytes) -> dict[str, Any]:
        digest = _digest(content)
        self.blobs[digest] = content
        return {"mediaType": media_type, "size": len(content), "digest": digest}


@contextlib.contextmanager
def a_registry() -> Iterator[Registry]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.block_on_close = False
    server.registry = registry = Registry(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        registry.asked.append(f"{self.command} {self.path}")
        wanted = "Basic " + base64.b64encode(registry.login.encode()).decode()
        if registry.login and self.headers.get("Authorization") != wanted:
            error = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "login first"}]})
            challenge = {"WWW-Authenticate": 'Basic realm="test"'}
            return self._send(401, error.encode(), "application/json", challenge, with_body)
        if self.path == "/v2/":
            return self._send(200, b"{}", "application/json", {}, with_body)
        name, _, digest = self.path.removeprefix("/v2/").rpartition("/blobs/")
        if name:
            blob = registry.blobs.get(digest)
            if blob is not None and registry.stuck.is_set() and not blob.startswith(b"{"):
                threading.Event().wait(60)
            return self._found(blob, "application/octet-stream", digest, with_body)
        name, _, tag = self.path.removeprefix("/v2/").rpartition("/manifests/")
        by_digest = {_digest(m): m for m in registry.manifests.values()}
        manifest = registry.manifests.get(f"{name}:{tag}") or by_digest.get(tag)
        digest = _digest(manifest) if manifest is not None else ""
        return self._found(manifest, MANIFEST, digest, with_body)

    def _found(self, content: bytes | None, kind: str, digest: str, with_body: bool) -> None:
        if content is None:
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return self._send(404, json.dumps(error).encode(), "application/json", {}, with_body)
        return self._send(200, content, kind, {"Docker-Content-Digest": digest}, with_body)

    def _send(
        self, status: int, body: bytes, kind: str, headers: dict[str, str], with_body: bool
    ) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
