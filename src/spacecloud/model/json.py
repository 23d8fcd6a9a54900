"""An object of somebody else's JSON: the engine's, Envoy's, OpenAPI's."""

from typing import Any

Json = dict[str, Any]
