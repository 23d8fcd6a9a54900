"""Which addresses may reach which ports of the host: what projects ask for with ``egress``."""

from collections.abc import Container, Iterable

from spacecloud.model.addresses import Addresses
from spacecloud.model.declared import StoredDocument
from spacecloud.model.project import Project
from spacecloud.model.traffic import HostPortAccess


def host_ports(
    addresses: Addresses, projects: Iterable[StoredDocument], own: Container[int] = ()
) -> tuple[HostPortAccess, ...]:
    """
    Sorted; each with the blocks of the projects that asked, which may be none yet.

    ``own``: ports of the platform, which an earlier release accepted and which stay closed.
    """
    blocks: dict[int, set[str]] = {}
    for document in projects:
        for access in Project.model_validate(document.document).egress:
            if access.port not in own:
                blocks.setdefault(access.port, set()).update(addresses.cidrs(document.id))
    return tuple(HostPortAccess(port, tuple(sorted(blocks[port]))) for port in sorted(blocks))


def asking_for(
    own: Container[int], projects: Iterable[StoredDocument]
) -> dict[str, tuple[int, ...]]:
    """Which projects declare ports that stay closed to them."""
    found: dict[str, tuple[int, ...]] = {}
    for document in projects:
        ports = {a.port for a in Project.model_validate(document.document).egress}
        if closed := tuple(sorted(port for port in ports if port in own)):
            found[document.id] = closed
    return found
