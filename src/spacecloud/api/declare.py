"""Accepting one document: into the store it goes, and what was accepted is said."""

from typing import Any

from spacecloud.api.parts import Parts
from spacecloud.ingress.mistakes import check
from spacecloud.model.envelope import Envelope
from spacecloud.model.routing import IngressRoute
from spacecloud.store.write import write


async def declare(api: Parts, envelope: Envelope) -> dict[str, Any]:
    """The body of the answer: notices, and for a service its generation and what changed."""
    if isinstance(envelope.spec, IngressRoute):
        check(envelope.spec)
    accepted = await write(api.store, envelope)
    said: dict[str, Any] = {"notices": list(api.backend.notices(envelope))}
    if accepted is not None:
        said |= {"generation": accepted.generation, "change": accepted.change}
    return said
