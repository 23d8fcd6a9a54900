"""
What the OpenAPI document says of bodies.

Bodies are read and validated by the model itself, so that every mistake is reported in our
words; their schemas are therefore named here, beside the routes, and not derived from them.
"""

from collections.abc import Collection, Sequence

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from spacecloud.model.json import Json

Responses = dict[int | str, Json]

PLACE = "#/components/schemas/"
TEXT = {"type": "string"}

PROBLEM: Json = {
    "type": "object",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "The kind of error, for programs."},
        "document": {
            "type": "integer",
            "description": "Which of several documents it is about, from 0; absent otherwise.",
        },
        "mistakes": {
            "type": "array",
            "description": "What is wrong with the document: at most 100 places.",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {
                    "path": TEXT,
                    "location": {
                        "type": "array",
                        "description": "The path, part by part.",
                        "items": {"type": ["string", "integer"]},
                    },
                    "message": TEXT,
                    "value": {},
                    "document": {
                        "type": "integer",
                        "description": "Which of several documents, from 0; absent for one.",
                    },
                },
            },
        },
        "more": {
            "type": "integer",
            "description": "How many mistakes there are beside those; absent for none.",
        },
    },
}

_DOCUMENT: Json = {
    "type": "object",
    "required": ["type", "meta"],
    "properties": {
        "api": TEXT,
        "type": TEXT,
        "meta": {"type": "object", "additionalProperties": TEXT},
        "spec": {"type": "object"},
    },
}


def body(model: type[BaseModel]) -> Json:
    return _body({"$ref": PLACE + model.__name__})


def lists(model: type[BaseModel]) -> Responses:
    items = {"type": "array", "items": {"$ref": PLACE + model.__name__}}
    return _answer({"type": "object", "properties": {"result": items}})


def gives(model: type[BaseModel]) -> Responses:
    given = {"$ref": PLACE + model.__name__}
    return _answer({"type": "object", "properties": {"result": given}})


def answers(model: type[BaseModel]) -> Responses:
    return _answer({"$ref": PLACE + model.__name__})


def _body(schema: Json) -> Json:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def _answer(schema: Json) -> Responses:
    content = {"application/json": {"schema": schema}}
    return {200: {"description": "Done.", "content": content}}


_NOTICES: Json = {
    "notices": {
        "type": "array",
        "items": TEXT,
        "description": "What is kept but not acted on, and what will surprise.",
    }
}
NOTICES = _answer({"type": "object", "properties": _NOTICES})
ACCEPTED = _answer(
    {
        "type": "object",
        "properties": {
            **_NOTICES,
            "generation": {"type": "integer", "description": "Of this apply; later is larger."},
            "change": {"enum": ["created", "updated", "unchanged"]},
        },
    }
)
TOKEN = _answer({"type": "object", "required": ["token"], "properties": {"token": TEXT}})
DOCUMENTS = _body(
    {
        "type": "object",
        "required": ["documents"],
        "properties": {
            "documents": {"type": "array", "items": _DOCUMENT},
            "delete": {"type": "boolean", "default": False},
        },
    }
)
BATCH = _body(
    {
        "type": "object",
        "required": ["specs"],
        "properties": {"specs": {"type": "array", "items": _DOCUMENT}},
    }
)
LOG_LINES: Responses = {200: {"description": "Lines.", "content": {"text/plain": {"schema": TEXT}}}}


def describe(
    document: Json, models: Sequence[type[BaseModel]], open_paths: Collection[str]
) -> Json:
    """The derived document with the schemas of our bodies, our errors and the need for a token."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _finish(operation, is_open=path in open_paths)
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template=PLACE + "{model}"
    )
    document["components"] = {
        "schemas": {**schemas["$defs"], "Problem": PROBLEM},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    }
    return document


def _finish(operation: Json, *, is_open: bool) -> None:
    answers = operation["responses"]
    answers.pop("422", None)
    content = {"application/json": {"schema": {"$ref": PLACE + "Problem"}}}
    answers["400"] = {"description": "Wrong as written.", "content": content}
    if not is_open:
        answers["401"] = {"description": "No valid token.", "content": content}
        operation["security"] = [{"token": []}]
    answers["default"] = {"description": "Any other error.", "content": content}
