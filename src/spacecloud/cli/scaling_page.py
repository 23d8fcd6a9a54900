"""How the number of a version's replicas comes about, as a page for people."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from spacecloud.cli.output import count, elapsed, moment, state
from spacecloud.cli.table import table

Scaling = dict[str, Any]
LABEL_WIDTH = 13
WORDS = {
    "panic-ends": "panic ends",
    "scales-down": "scales down",
    "schedule-changes": "a schedule begins or ends",
}
"""Of what comes next; another one is told as it is named."""

BY = {
    "call": "by a call",
    "upstream": "for a service that calls it",
    "person": "by hand",
    "load": "for its load",
    "connection": "for a connection that it holds",
    "lease": "for a lease that a replica took",
}


def lines_of(scaling: Scaling, now: datetime) -> Iterator[str]:
    name = f"{scaling['project']}/{scaling['serviceId']}@{scaling['version']}"
    yield f"{name}  {state(scaling['state'])}  {_replicas(scaling)}"
    yield from section(scaling, now)


def section(scaling: Scaling, now: datetime) -> Iterator[str]:
    """All but the headline."""
    for label, value in _facts(scaling, now):
        yield f"  {label:{LABEL_WIDTH}}{value}".rstrip()
    rows = [_trigger(each) for each in scaling["triggers"]]
    if rows:
        yield "  triggers"
        headings = ("TRIGGER", "TYPE", "TARGET", *_window_headings(scaling), "WANTS")
        yield from (f"    {line}" for line in table(headings, rows).splitlines())


def is_scaled(scaling: Scaling) -> bool:
    """Can its number be another than the declared one?"""
    return bool(scaling["maySleep"] or scaling["triggers"] or scaling["pinned"] is not None)


def summary(scaling: Scaling, now: datetime) -> str:
    """In one line: how it sleeps or how many run, and what comes next."""
    parts = [_decision(scaling, now)]
    if not scaling["valid"] and scaling["noDecision"]:
        parts.append(f"no decision: {scaling['noDecision']['message']}")
    parts += [_next(each, now) for each in scaling["next"][:1]]
    return "; ".join(part for part in parts if part)


def _replicas(scaling: Scaling) -> str:
    if scaling["state"] != "awake":
        return f"{count(scaling['wanted'], 'replica')} kept"
    return f"{scaling['ready']} of {count(scaling['wanted'], 'replica')} ready"


def _facts(scaling: Scaling, now: datetime) -> Iterator[tuple[str, str]]:
    if scaling["asleep"] and scaling["state"] != scaling["asleep"]:
        yield "falls", f"asleep: it is to be {scaling['asleep']}"
    yield "decision", _decision(scaling, now)
    if not scaling["valid"] and scaling["noDecision"]:
        yield "no decision", scaling["noDecision"]["message"]
    if scaling["pinned"] is None:
        yield "bounds", f"{scaling['minimum']} to {scaling['maximum']}"
    if scaling["mode"] == "panic":
        yield "mode", "panic: the short window decides, and nothing is scaled down"
    for limit in scaling["limits"]:
        kind, wanted, allowed = limit["kind"], limit["wanted"], limit["allowed"]
        yield "held by", f"{kind}: {wanted} wanted, {allowed} allowed"
    yield from _sleep(scaling)
    for each in scaling["next"]:
        yield "next", _next(each, now)
    if scaling["held"]:
        yield "held", f"{count(scaling['held'], 'call')} at the gate"
    yield "wakes", _wakes(scaling["wakes"], now)
    last = scaling["wakes"]["last"]
    if last is not None and last["parts"]:
        yield "in parts", parts_of(last)


def _decision(scaling: Scaling, now: datetime) -> str:
    if scaling["pinned"] is not None:
        return f"{count(scaling['pinned'], 'replica')} by hand, until the next apply"
    last = scaling["lastDecision"]
    if last is None:
        return f"none yet: {count(scaling['wanted'], 'replica')}, as declared"
    what = last["asleep"] or count(last["replicas"], "replica")
    at = datetime.fromisoformat(last["at"])
    why = f": {last['cause']['message']}" if last["cause"] else ""
    return f"{what} since {moment(last['at'])} ({elapsed(now - at)}){why}"


def _sleep(scaling: Scaling) -> Iterator[tuple[str, str]]:
    if scaling["pinned"] is not None:
        return
    if not scaling["maySleep"]:
        why = scaling["neverSleeps"]
        yield "sleep", f"never: {why['message']}" if why else "never"
        return
    freeze, stop = scaling["freezeAfterSeconds"], scaling["stopAfterSeconds"]
    after = (("frozen", freeze), ("stopped", stop))
    told = [f"{word} after {_seconds(given)}" for word, given in after if given is not None]
    yield "sleep", ", ".join(told) + " without a call" if told else "by hand only"
    for busy in scaling["busy"]:
        yield "busy", busy["message"]
    if scaling["idleSeconds"] is not None and not scaling["busy"]:
        yield "idle", f"for {_seconds(scaling['idleSeconds'])}"


def _next(coming: Scaling, now: datetime) -> str:
    what = WORDS.get(coming["what"], coming["what"])
    left = datetime.fromisoformat(coming["at"]) - now
    return f"{what} in {elapsed(left)} ({moment(coming['at'])})"


def _wakes(wakes: Scaling, now: datetime) -> str:
    failed = f", {wakes['failed']} failed" if wakes["failed"] else ""
    told = f"{wakes['count']}{failed} since the control plane started"
    last = wakes["last"]
    if last is None:
        return told
    was = last["was"] or "on its way"
    ago = elapsed(now - datetime.fromisoformat(last["at"]))
    by = BY.get(last["why"], last["why"])
    return f"{told}; the last {ago} ago {by}, it was {was}: {last['milliseconds']:.1f} ms"


def parts_of(wake: Scaling) -> str:
    return ", ".join(f"{part['name']} {part['milliseconds']:.1f} ms" for part in wake["parts"])


def _window_headings(scaling: Scaling) -> tuple[str, ...]:
    windows = {w["name"]: w["seconds"] for each in scaling["triggers"] for w in each["windows"]}
    return tuple(f"{name.upper()} {seconds:g} s" for name, seconds in windows.items())


def _trigger(trigger: Scaling) -> tuple[Any, ...]:
    windows = [_number(window["value"]) for window in trigger["windows"]]
    wants = "no data" if trigger["wants"] is None else f"{trigger['wants']} ({trigger['window']})"
    return (trigger["name"], trigger["type"], _number(trigger["target"]), *windows, wants)


def _number(value: float | None) -> str:
    return "no data" if value is None else f"{value:.4g}"


def _seconds(value: float) -> str:
    return elapsed(timedelta(seconds=value))
