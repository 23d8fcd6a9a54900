"""What GET answers, applied again, changes nothing: for every service there can be."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from api_client import an_api
from spacecloud.model.service import Service
from strategies import Document, labels, services, versions


@given(document=services, service=labels, version=versions)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_service_that_is_read_and_applied_again_is_unchanged(
    document: Document, service: str, version: str
) -> None:
    asyncio.run(_round_trip(document, f"/v1/runner/shop/services/{service}/{version}"))


async def _round_trip(document: Document, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with an_api(Path(folder)) as api:
            first = await api.post(path, document)
            (read,) = await api.get("/v1/runner/shop/services")
            again = await api.post(path, read)
            (reread,) = await api.get("/v1/runner/shop/services")

    assert (first["change"], again["change"]) == ("created", "unchanged")
    assert read == reread
    assert _meaning(read) == _meaning(document)


def _meaning(document: Document) -> Any:
    """Everything that was declared, defaults included, but not the ids of the address."""
    kept = {k: v for k, v in document.items() if k not in ("id", "projectId", "version")}
    return Service.model_validate(kept)
