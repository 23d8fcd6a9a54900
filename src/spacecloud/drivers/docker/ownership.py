"""
Which containers and networks this installation has made.

Labels say what a thing is; an image brings labels too, and anybody may write them. What is ours
carries a mark beside them: a keyed hash over its name and what its labels say, so that neither
an image nor a copy under another name has it. What a release without marks made is known by
its id, written down once. Without a key (its folder is gone) there is only the name together with
the labels that belong to it: enough to take an installation away, never to run one.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Literal, Self

from spacecloud import installation
from spacecloud.drivers.docker import labels
from spacecloud.model.json import Json
from spacecloud.model.refs import ServiceKey
from spacecloud.settings import Settings

Kind = Literal["replica", "part", "network"]

MARK = labels.PREFIX + "mark"
PARTS = ("gateway", "resolver")

_SIGNED: Mapping[Kind, tuple[str, ...]] = {
    "replica": (
        labels.INSTANCE,
        labels.PROJECT,
        labels.SERVICE,
        labels.VERSION,
        labels.SLOT,
        labels.TASK,
        labels.REVISION,
        labels.ADDRESS,
        labels.TASKS,
        labels.PROBE,
        labels.PORTS,
    ),
    "part": (labels.INSTANCE, labels.PART, labels.CONFIG),
    "network": (labels.INSTANCE, labels.PROJECT, labels.SERVICE),
}
"""All that is read of each kind: what an image adds beside it is not looked at."""


class Ownership:
    """Its repr does not show the key."""

    def __init__(
        self,
        instance: str,
        adopted: frozenset[str],
        key: bytes | None,
        keep: Callable[[frozenset[str]], None] = lambda ids: None,
    ) -> None:
        """``keep``: writes down what is adopted from now on."""
        self._instance = instance
        self._adopted = adopted
        self._key = key
        self._keep = keep
        self._seen: set[str] = set()
        """Containers that had their own name when they were looked at: whose are known if they
        are renamed."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the state folder has it now. ``Unavailable`` where that cannot be read."""
        secret = installation.read_secret(settings)
        key = None
        if secret is not None:
            key = hmac.digest(secret, b"space-cloud marks", hashlib.sha256)
        keep = partial(installation.write_adopted, settings)
        return cls(settings.instance, installation.read_adopted(settings), key, keep)

    def __repr__(self) -> str:
        known = "no key" if self._key is None else "a key"
        return f"Ownership({self._instance}, {known}, {len(self._adopted)} adopted)"

    def marked(self, kind: Kind, name: str, its: Mapping[str, str]) -> dict[str, str]:
        """The labels to make it with."""
        return {**its, MARK: self._mark(kind, name, its)} if self._key is not None else dict(its)

    def has(self, kind: Kind, found: Json) -> bool:
        """
        Have we made it? ``found``: as the engine lists it, or shows it alone.

        False for whatever else the engine may say.
        """
        its, names, id = labels_of(found), names_of(found), id_of(found)
        if its.get(labels.INSTANCE) != self._instance:
            return False
        if self._key is None:
            return is_as_named(self._instance, kind, names, its)
        if any(self._is_marked(kind, name, its) for name in names):
            self._seen.add(id)
            return True
        if id not in self._adopted | self._seen:
            return False
        return self._has_renamed(kind, id, its)

    def has_container(self, found: Json) -> bool:
        return self.has("replica", found) or self.has("part", found)

    def forget_all_but(self, listing: Iterable[Json]) -> None:
        """What is not there any more need not be remembered."""
        self._seen &= {id_of(item) for item in listing}

    def _has_renamed(self, kind: Kind, id: str, its: Mapping[str, str]) -> bool:
        """One that we know by its id. It is written down, for who has not seen it before."""
        name = name_of(self._instance, kind, its)
        if name is None:
            return False
        if id in self._adopted:
            return True
        if not self._is_marked(kind, name, its):
            return False
        self._adopted |= {id}
        self._keep(self._adopted)
        return True

    def _is_marked(self, kind: Kind, name: str, its: Mapping[str, str]) -> bool:
        given = its.get(MARK, "").encode("utf-8", "replace")
        return hmac.compare_digest(given, self._mark(kind, name, its).encode())

    def _mark(self, kind: Kind, name: str, its: Mapping[str, str]) -> str:
        signed = [kind, name, *(its.get(label, "") for label in _SIGNED[kind])]
        return hmac.new(self._key or b"", json.dumps(signed).encode(), hashlib.sha256).hexdigest()


def is_as_named(instance: str, kind: Kind, names: tuple[str, ...], its: Mapping[str, str]) -> bool:
    """Are its labels those of the name that it has, of a form that we write?"""
    return its.get(labels.INSTANCE) == instance and name_of(instance, kind, its) in names


def name_of(instance: str, kind: Kind, its: Mapping[str, str]) -> str | None:
    """What we call the one with these labels; None where we write no such labels."""
    match kind:
        case "replica":
            tag = labels.read(its)
            if tag is None or (tag.task and tag.task not in tag.expected_tasks):
                return None
            return labels.container_name(instance, tag.ref, tag.slot, tag.task)
        case "part":
            # A replica may have that label from its image; a part is of no project.
            part = its.get(labels.PART, "") if labels.PROJECT not in its else ""
            return labels.part_name(instance, part) if part in PARTS else None
        case "network":
            key = labels.read_key(its)
            return labels.network_name(instance, key) if key is not None else None


def belongs(owner: Ownership, network: Json, key: ServiceKey) -> bool:
    """A network of ours, of this service."""
    its = labels_of(network)
    return owner.has("network", network) and labels.read_key(its) == key


def labels_of(found: Json) -> dict[str, str]:
    """Empty for what the engine says in no form that is known."""
    config = found.get("Config")
    its = config.get("Labels") if isinstance(config, Mapping) else found.get("Labels")
    if not isinstance(its, Mapping):
        return {}
    return {k: v for k, v in its.items() if isinstance(k, str) and isinstance(v, str)}


def as_listed(event: Json) -> Json:
    """A container's event in the form of a listing: its labels stand among its attributes."""
    actor = event.get("Actor")
    if not isinstance(actor, Mapping) or not isinstance(actor.get("Attributes"), Mapping):
        return {}
    its = actor["Attributes"]
    return {"Id": actor.get("ID", ""), "Labels": its, "Names": [its.get("name")]}


def names_of(found: Json) -> tuple[str, ...]:
    """Without the names that it has inside others: ``/other/alias`` is a link."""
    several = found.get("Names")
    given = several if isinstance(several, list) else [found.get("Name")]
    plain = (name.removeprefix("/") for name in given if isinstance(name, str))
    return tuple(name for name in plain if name and "/" not in name)


def id_of(found: Json) -> str:
    return str(found.get("Id", ""))
