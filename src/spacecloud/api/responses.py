"""The few shapes of an answer: ``{}``, ``{"result": …}``, a document as it was declared."""

from collections.abc import Iterable
from typing import Any

from fastapi.responses import JSONResponse

from spacecloud.model.declared import DeclaredVersion, StoredDocument
from spacecloud.model.secret import REDACTED, SecretFacts
from spacecloud.model.view import View


def done() -> JSONResponse:
    return JSONResponse({})


def result(value: Any) -> JSONResponse:
    return JSONResponse({"result": value})


def views(found: Iterable[View]) -> JSONResponse:
    return result([view.wire() for view in found])


def service_view(version: DeclaredVersion) -> dict[str, Any]:
    ref = version.ref
    ids = {"id": ref.service, "projectId": ref.project, "version": ref.version}
    return {**ids, **version.spec.as_given()}


def secret_view(facts: SecretFacts) -> dict[str, Any]:
    """Names and no values; applied again it keeps the stored ones."""
    binary = dict.fromkeys(facts.binary_keys, REDACTED)
    return {
        "id": facts.id,
        "type": facts.type,
        "rootPath": facts.root_path,
        "data": {key: REDACTED for key in facts.keys if key not in binary},
        **({"binaryData": binary} if binary else {}),
    }


def project_view(stored: StoredDocument) -> dict[str, Any]:
    return {"id": stored.id, **stored.document}


def ingress_view(stored: StoredDocument) -> dict[str, Any]:
    return {"id": stored.id, "project": stored.project, **stored.document}


def role_view(stored: StoredDocument) -> dict[str, Any]:
    return {**stored.document, "id": stored.id, "project": stored.project}


def route_views(stored: Iterable[StoredDocument]) -> list[dict[str, Any]]:
    """One flat list; the id of a route is its service's."""
    return [
        {**route, "id": kept.id} for kept in stored for route in kept.document.get("routes", [])
    ]


def other_view(stored: StoredDocument) -> dict[str, Any]:
    return {"id": stored.id, **stored.document}
