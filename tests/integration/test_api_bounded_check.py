"""A check of many documents costs what each of them costs, however many there are."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api_client import an_api

pytestmark = pytest.mark.attack

FEW, MANY = 200, 1000
Document = dict[str, Any]


def a_document(kind: str, meta: dict[str, str], spec: Document) -> Document:
    return {"type": kind, "meta": meta, "spec": spec}


def a_project(n: int) -> Document:
    return a_document("project", {"project": f"p{n}"}, {})


def a_secret(n: int) -> Document:
    return a_document("secret", {"project": "shop", "id": f"s{n}"}, {"type": "env", "data": {}})


def a_role(n: int) -> Document:
    meta = {"project": "shop", "serviceId": f"s{n}", "roleId": f"r{n}"}
    return a_document("service-role", meta, {"type": "project"})


def an_ingress_route(n: int) -> Document:
    target = {"host": "api.shop.svc.cluster.local", "port": 80}
    spec = {"source": {"url": f"/{n}"}, "targets": [target]}
    return a_document("ingress-routes", {"project": "shop", "id": f"i{n}"}, spec)


async def check_seconds(folder: Path, documents: list[Document]) -> float:
    async with an_api(folder) as api:
        before = time.process_time()
        await api.post("/v1/config/check", {"documents": documents})
        return time.process_time() - before


@pytest.mark.parametrize("document", [a_project, a_secret, a_role, an_ingress_route])
def test_a_check_takes_a_time_linear_to_the_number_of_documents(
    tmp_path: Path, document: Callable[[int], Document]
) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "many").mkdir()

    few = asyncio.run(check_seconds(tmp_path / "few", [document(n) for n in range(FEW)]))
    many = asyncio.run(check_seconds(tmp_path / "many", [document(n) for n in range(MANY)]))

    # By the square it would be 25 times as much.
    assert many < few * (MANY / FEW) * 2.5 + 0.2, (few, many)
