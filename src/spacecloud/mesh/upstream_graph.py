"""
Which versions stand behind a service: those that its upstreams name, and theirs in turn.

Only a service that is named counts. ``service: "*"``, and the absent list that means it, say whom
one may call, not whom one does.
"""

from collections.abc import Iterable

from spacecloud.mesh.policy import Policy
from spacecloud.model.refs import ServiceKey, ServiceRef
from spacecloud.model.service import ANY


def behind(policy: Policy, key: ServiceKey) -> tuple[ServiceRef, ...]:
    """
    Sorted, without the service's own. Of each service the versions that answer at its own domain,
    as a call does not tell which version it is meant for.
    """
    found: set[ServiceKey] = set()
    todo = [key]
    while todo:
        for callee in _callees(policy, todo.pop()):
            if callee not in found and callee != key:
                found.add(callee)
                todo.append(callee)
    return tuple(sorted(ref for callee in found for ref in _answering(policy, callee)))


def _callees(policy: Policy, caller: ServiceKey) -> Iterable[ServiceKey]:
    for peer in policy.authorization.upstreams(caller):
        callee = ServiceKey(peer.project_id, peer.service)
        is_named = ANY not in callee and callee in policy.declared.services
        if is_named and policy.authorization.allowed(caller, callee):
            yield callee


def _answering(policy: Policy, callee: ServiceKey) -> Iterable[ServiceRef]:
    versions = {entry.version for entry in policy.face(callee).entries if entry.of_service}
    return (ServiceRef(callee.project, callee.service, version) for version in versions)
