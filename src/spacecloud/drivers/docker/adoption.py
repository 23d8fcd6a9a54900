"""
Take over what a release without marks has made, once, at the first start after the upgrade.

What has a name of ours together with exactly the labels that belong to it is written down by
its id. Nothing is made anew for it, so that an upgrade replaces nothing.
"""

from spacecloud import installation
from spacecloud.drivers.docker import labels
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.ownership import (
    MARK,
    Kind,
    id_of,
    is_as_named,
    labels_of,
    names_of,
)
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.settings import Settings


async def adopt(engine: Engine, settings: Settings) -> int:
    """How many. May run twice. ``Transient`` where the engine does not tell."""
    instance = settings.instance
    filters = {"label": [f"{labels.INSTANCE}={instance}"]}
    try:
        containers = await engine.get("containers/json", all=True, filters=filters)
        networks = await engine.get("networks", filters=filters)
    except EngineError as error:
        raise Transient(f"look for what an earlier release has made: {error}") from error
    kinds: tuple[tuple[Kind, list[Json]], ...] = (
        ("replica", containers),
        ("part", containers),
        ("network", networks),
    )
    ids = {
        id_of(one)
        for kind, listing in kinds
        for one in listing
        if MARK not in labels_of(one) and is_as_named(instance, kind, names_of(one), labels_of(one))
    }
    installation.write_adopted(settings, ids)
    return len(ids)
