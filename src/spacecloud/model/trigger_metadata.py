"""What triggers of KEDA say in their metadata, as far as something here acts on it. Pure."""

from collections.abc import Mapping

from spacecloud.model.quantity import quantity
from spacecloud.model.schedule import Schedule, expression_mistake, timezone_mistake

USAGE_TYPES = ("Utilization", "AverageValue", "Value")
"""``Value`` is read as ``AverageValue``: of a resource there is nothing else to compare."""

MOST_PER_CENT = 10_000
MOST_REPLICAS = 1000
MOST_REQUESTS = 1_000_000
"""Per replica: more is no aim."""


READ = {
    "requests-per-second": ("target",),
    "active-requests": ("target",),
    "cpu": ("type", "value"),
    "memory": ("type", "value"),
    "cron": ("start", "end", "timezone", "desiredReplicas"),
}
"""The entries that mean something here, by a trigger's type."""


def metadata_mistake(type: str, metadata: Mapping[str, str]) -> tuple[str, str] | None:
    """The entry that is wrong, and what it should be; None where all is right."""
    match type:
        case "requests-per-second" | "active-requests":
            wrong = request_target(metadata) is None
            return (
                ("target", 'requests per replica, a whole number as text: "50"') if wrong else None
            )
        case "cpu" | "memory":
            return _usage_mistake(type, metadata)
        case "cron":
            return _cron_mistake(metadata)
        case _:
            return None


def usage_type(metadata: Mapping[str, str]) -> str:
    return metadata.get("type") or "Utilization"


def per_cent(metadata: Mapping[str, str]) -> int | None:
    return _whole(metadata.get("value", ""), MOST_PER_CENT)


def request_target(metadata: Mapping[str, str]) -> int | None:
    return _whole(metadata.get("target", ""), MOST_REQUESTS)


def cron_schedule(metadata: Mapping[str, str]) -> Schedule:
    return Schedule(
        metadata.get("start", ""), metadata.get("end", ""), metadata.get("timezone", "")
    )


def cron_replicas(metadata: Mapping[str, str]) -> int | None:
    return _whole(metadata.get("desiredReplicas", ""), MOST_REPLICAS)


def _whole(text: str, most: int) -> int | None:
    """From 1 on; leading zeros are no mistake."""
    digits = text.lstrip("0") if text.isascii() and text.isdigit() else ""
    return int(digits) if digits and len(digits) <= len(str(most)) and int(digits) <= most else None


def _usage_mistake(type: str, metadata: Mapping[str, str]) -> tuple[str, str] | None:
    kind = usage_type(metadata)
    if kind not in USAGE_TYPES:
        return "type", f"one of {', '.join(USAGE_TYPES)}"
    if kind == "Utilization":
        wrong = per_cent(metadata) is None
        return ("value", 'a percentage, a whole number as text: "70"') if wrong else None
    as_in = {"cpu": "cores, as in 500m", "memory": "bytes, as in 256Mi"}[type]
    wrong = quantity(metadata.get("value", "")) is None
    return ("value", f"an amount per replica in {as_in}") if wrong else None


def _cron_mistake(metadata: Mapping[str, str]) -> tuple[str, str] | None:
    for name in ("start", "end"):
        mistake = expression_mistake(metadata.get(name, ""))
        if mistake is not None:
            return name, mistake
    mistake = timezone_mistake(metadata.get("timezone", ""))
    if mistake is not None:
        return "timezone", mistake
    if metadata["start"] == metadata["end"]:
        return "end", "must be another time than start"
    if cron_replicas(metadata) is None:
        return "desiredReplicas", f'a whole number from 1 to {MOST_REPLICAS} as text: "3"'
    return None
