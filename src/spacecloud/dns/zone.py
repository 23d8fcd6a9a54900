"""Names as the resolver's files: one per service, a line per domain. Pure."""

import re
from collections.abc import Iterable

from spacecloud.model.addresses import Pools
from spacecloud.model.refs import DNS_LABEL, HOST, PLATFORM, ServiceKey

Names = tuple[tuple[str, str], ...]
"""(domain, virtual IP), sorted."""


def file_name(key: ServiceKey) -> str:
    """Ids hold no dot, so the two parts cannot be confused."""
    return f"{key.project}.{key.service}"


def key_of(file_name: str) -> ServiceKey | None:
    """None for a file that is not a service's, such as an editor's copy."""
    project, _, service = file_name.partition(".")
    if not (re.fullmatch(DNS_LABEL, project) and re.fullmatch(DNS_LABEL, service)):
        return None
    return ServiceKey(project, service)


def hosts_file(names: Names) -> str:
    """In the form of ``/etc/hosts``."""
    return "".join(f"{address}\t{domain}\n" for domain, address in names)


def read_hosts(text: str) -> Names:
    return tuple(sorted(_names(text.splitlines())))


def platform_names(pools: Pools) -> Names:
    """
    ``host.space-cloud.svc.cluster.local``: the host's ports that a project has asked for;
    ``platform.space-cloud.svc.cluster.local``: the platform itself, for all.
    """
    return ((HOST.domain, str(pools.host_vip)), (PLATFORM.domain, str(pools.platform_vip)))


def _names(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        address, *domains = line.partition("#")[0].split() or [""]
        for domain in domains:
            yield domain, address
