"""An image of the engine's own in a registry on loopback, so that the scenario can pull it."""

import contextlib
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator

from registry import CONFIG, LAYER, MANIFEST, a_registry


@contextlib.contextmanager
def in_a_registry(image: str) -> Iterator[str]:
    """A reference that can be pulled while the block is open; its id is the image's."""
    with a_registry() as registry:
        saved = subprocess.run(
            ["docker", "save", image], capture_output=True, check=True, timeout=120
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(saved)) as tar:

            def read(name: str) -> bytes:
                member = tar.extractfile(name)
                assert member is not None
                return member.read()

            def kept(kind: str, content: bytes) -> dict[str, object]:
                digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
                registry.blobs[digest] = content
                return {"mediaType": kind, "size": len(content), "digest": digest}

            (shown,) = json.loads(read("manifest.json"))
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": kept(CONFIG, read(shown["Config"])),
                "layers": [
                    kept(LAYER, gzip.compress(read(layer), 1, mtime=0)) for layer in shown["Layers"]
                ],
            }
        registry.manifests["app:1"] = json.dumps(manifest).encode()
        reference = f"127.0.0.1:{registry.port}/app:1"
        try:
            yield reference
        finally:
            subprocess.run(["docker", "rmi", reference], capture_output=True, timeout=60)
