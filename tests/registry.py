"""A container registry on loopback, as small as a pull needs: one image, its mistakes on demand."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eventually import holds_within

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
PIECE = 65536
SILENCE_SECONDS = 3600
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

    silent: threading.Event = field(default_factory=threading.Event)
    """Set: whoever asks gets no answer at all, until it is cleared."""

    bytes_per_second: float = float("inf")
    """Of each layer."""

    def push(
        self,
        name: str,
        tag: str = "1",
        architecture: str = "amd64",
        size: int = 1000,
        layers: int = 1,
    ) -> str:
        """An image with one file of random-looking content in each layer; its reference."""
        packed = [_layer(f"{name}{tag}{number}", size) for number in range(layers)]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Entrypoint": [f"/{name}"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(one) for one in packed]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._blob(CONFIG, json.dumps(config).encode()),
            "layers": [self._blob(LAYER, gzip.compress(one, mtime=0)) for one in packed],
        }
        self.manifests[f"{name}:{tag}"] = json.dumps(manifest).encode()
        return f"127.0.0.1:{self.port}/{name}:{tag}"

    def layer_sizes(self) -> list[int]:
        return [len(blob) for blob in self.blobs.values() if not blob.startswith(b"{")]

    def lose_layers(self) -> list[str]:
        """Their digests; only what is small, the configs, is still there."""
        lost = [digest for digest, blob in self.blobs.items() if not blob.startswith(b"{")]
        for digest in lost:
            del self.blobs[digest]
        return lost

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
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join(20)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Engine 29 tries TLS first, on loopback too, and turns to plain HTTP when the answer to its hello
    # begins with "HTTP/", as that of a real registry does; the library's default is an answer with no
    # status line.
    default_request_version = "HTTP/1.0"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        registry.asked.append(f"{self.command} {self.path}")
        holds_within(lambda: not registry.silent.is_set(), SILENCE_SECONDS, every=0.1)
        wanted = "Basic " + base64.b64encode(registry.login.encode()).decode()
        if registry.login and self.headers.get("Authorization") != wanted:
            error = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "login first"}]})
            challenge = {"WWW-Authenticate": 'Basic realm="test"'}
            self._send(401, error.encode(), "application/json", challenge, with_body)
            return
        if self.path == "/v2/":
            self._send(200, b"{}", "application/json", {}, with_body)
            return
        name, _, digest = self.path.removeprefix("/v2/").rpartition("/blobs/")
        if name:
            blob = registry.blobs.get(digest)
            if blob is not None and registry.stuck.is_set() and not blob.startswith(b"{"):
                threading.Event().wait(60)
            if blob is None:
                self._missing("BLOB_UNKNOWN", "blob unknown to registry", with_body=with_body)
                return
            self._found(blob, "application/octet-stream", digest, with_body)
            return
        name, _, tag = self.path.removeprefix("/v2/").rpartition("/manifests/")
        by_digest = {_digest(m): m for m in registry.manifests.values()}
        manifest = registry.manifests.get(f"{name}:{tag}") or by_digest.get(tag)
        if manifest is None:
            self._missing("MANIFEST_UNKNOWN", "manifest unknown", with_body=with_body)
        else:
            self._found(manifest, MANIFEST, _digest(manifest), with_body)

    def _missing(self, code: str, message: str, *, with_body: bool) -> None:
        error = {"errors": [{"code": code, "message": message}]}
        self._send(404, json.dumps(error).encode(), "application/json", {}, with_body)

    def _found(self, content: bytes, kind: str, digest: str, with_body: bool) -> None:
        self._send(200, content, kind, {"Docker-Content-Digest": digest}, with_body)

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
            self._write(body)

    def _write(self, body: bytes) -> None:
        """Whoever has had enough of it may go."""
        registry: Registry = self.server.registry  # type: ignore[attr-defined]
        is_slow = len(body) > PIECE and registry.bytes_per_second < float("inf")
        size = PIECE if is_slow else len(body) or 1
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(body), size):
                self.wfile.write(body[start : start + size])
                if is_slow:
                    time.sleep(size / registry.bytes_per_second)


def _layer(name: str, size: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo(f"{name}.txt")
        content = hashlib.shake_128(name.encode()).digest(size)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
