"""Services of two projects, what they say of each other, and who may call whom then."""

from dataclasses import dataclass

Pairs = list[dict[str, str]] | None


@dataclass(frozen=True)
class Party:
    project: str
    service: str
    whitelists: Pairs
    upstreams: Pairs

    @property
    def name(self) -> str:
        return f"{self.project}/{self.service}"


def peer(project: str, service: str) -> dict[str, str]:
    return {"projectId": project, "service": service}


PARTIES = (
    Party("red", "open", whitelists=None, upstreams=None),
    Party("red", "shut", whitelists=[], upstreams=None),
    Party("red", "picky", whitelists=[peer("red", "open"), peer("blue", "far")], upstreams=[]),
    Party("blue", "far", whitelists=[peer("red", "*")], upstreams=[peer("red", "*")]),
    Party("blue", "world", whitelists=[peer("*", "*")], upstreams=[peer("blue", "far")]),
    Party("blue", "half", whitelists=[peer("red", "open")], upstreams=[peer("red", "picky")]),
)


def allows(side: Pairs, own_project: str, other: Party) -> bool:
    """The rule as the user reads it, written here a second time on purpose."""
    written = side if side is not None else [peer(own_project, "*")]
    return any(
        p["projectId"] in ("*", other.project) and p["service"] in ("*", other.service)
        for p in written
    )


def declared(caller: Party, callee: Party) -> bool:
    if caller == callee:
        return True
    return allows(callee.whitelists, callee.project, caller) and allows(
        caller.upstreams, caller.project, callee
    )
