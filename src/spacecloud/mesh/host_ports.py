"""Which addresses may reach which ports of the host: what projects ask for with ``egress``."""

from collections.abc import Iterable

from spacecloud.model.addresses import Addresses
from spacecloud.model.declared import StoredDocument
from spacecloud.model.project import Project
from spacecloud.model.traffic import HostPortAccess


def host_ports(
    addresses: Addresses, projects: Iterable[StoredDocument]
) -> tuple[HostPortAccess, ...]:
    """Sorted; each with the blocks of the projects that asked, which may be none yet."""
    blocks: dict[int, set[str]] = {}
    for document in projects:
        for access in Project.model_validate(document.document).egress:
            blocks.setdefault(access.port, set()).update(addresses.cidrs(document.id))
    return tuple(HostPortAccess(port, tuple(sorted(blocks[port]))) for port in sorted(blocks))
