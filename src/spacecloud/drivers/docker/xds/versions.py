"""What an Envoy holds of one kind, found by owner without looking through the rest."""

from collections.abc import Collection, Iterator, MutableMapping

from spacecloud.mesh.envoy.names import owner_of
from spacecloud.model.refs import ServiceKey


class Versions(MutableMapping[str, str]):
    """Name to version."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}
        self._by_owner: dict[ServiceKey | None, set[str]] = {}

    def owners(self) -> frozenset[ServiceKey]:
        return frozenset(owner for owner in self._by_owner if owner is not None)

    def names_of(self, owner: ServiceKey) -> Collection[str]:
        return self._by_owner.get(owner, frozenset())

    def __getitem__(self, name: str) -> str:
        return self._versions[name]

    def __setitem__(self, name: str, version: str) -> None:
        if name not in self._versions:
            self._by_owner.setdefault(owner_of(name), set()).add(name)
        self._versions[name] = version

    def __delitem__(self, name: str) -> None:
        del self._versions[name]
        owner = owner_of(name)
        names = self._by_owner[owner]
        names.remove(name)
        if not names:
            del self._by_owner[owner]

    def __contains__(self, name: object) -> bool:
        return name in self._versions

    def __iter__(self) -> Iterator[str]:
        return iter(self._versions)

    def __len__(self) -> int:
        return len(self._versions)
