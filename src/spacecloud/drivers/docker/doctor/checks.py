"""What a doctor looks at: each thing with a word whether it is as it should be, and the fix."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

from spacecloud.drivers.docker import labels, releases
from spacecloud.drivers.docker.doctor import pool_conflicts, preflight
from spacecloud.drivers.docker.engine import Engine
from spacecloud.drivers.docker.engine_errors import EngineError
from spacecloud.drivers.docker.gateway import admin, bootstrap
from spacecloud.drivers.docker.host.firewall import Firewall
from spacecloud.drivers.docker.networking import Networking
from spacecloud.drivers.docker.ownership import Ownership, names_of
from spacecloud.drivers.docker.pods import freezing, reclaim
from spacecloud.drivers.docker.pods.cgroups import CGROUPS
from spacecloud.drivers.docker.proc_net import PROC
from spacecloud.drivers.docker.process import run
from spacecloud.drivers.docker.run_directory import RunDirectory
from spacecloud.drivers.driver import Check
from spacecloud.errors import Transient
from spacecloud.model.json import Json
from spacecloud.settings import Settings

CONNECTED = "control_plane.connected_state"
ADMIN_SECONDS = 3.0
MOST_NAMED = 10
MOST_LOOKS, BETWEEN_LOOKS_SECONDS = 4, 2.0
"""At the rules: a control plane looks at them every five seconds."""


async def examine(engine: Engine, settings: Settings, networking: Networking) -> tuple[Check, ...]:
    checks = [
        _checked("rights", preflight.rights(), "root"),
        _checked("programs", preflight.missing_programs(), "iptables and ip are there"),
        _checked("forwarding", preflight.forwarding(), "net.ipv4.ip_forward is on"),
        _checked("disk", preflight.disk(settings), "there is room"),
        _checked("clock", preflight.clock(settings), "it has not gone back"),
        _checked("folders", preflight.folders(settings), str(settings.state_dir)),
    ]
    checks += reclaims(settings)
    try:
        checks += [await _engine(engine), await _pools(engine, networking)]
        own = await preflight.own_processes(engine, settings)
        ports = (
            f"{settings.http_port}, {settings.mesh_port} and {settings.dns_port} are free or ours"
        )
        checks.append(_checked("ports", preflight.taken_ports(networking, own), ports))
        checks.append(await _strangers(engine, settings))
        checks += [await _part(engine, settings, part) for part in ("gateway", "resolver")]
        checks += await _load_reports(engine, settings)
    except (Transient, EngineError) as error:
        message = f"{error}: start it (systemctl start docker), or set SPACE_CLOUD_DOCKER_HOST"
        checks.append(Check("engine", message, ok=False))
    checks += [await _rules(networking), await _connected(settings)]
    return tuple(checks)


async def _engine(engine: Engine) -> Check:
    info, version = await engine.get("info"), await engine.get("version")
    return _checked(
        "engine", preflight.engine_problems(info, version), engine_summary(info, version)
    )


def engine_summary(info: Json, version: Json, cgroups: Path = CGROUPS) -> str:
    """Of an engine that is in order."""
    summary = f"{version.get('Version', '?')} (API {version.get('ApiVersion', '?')})"
    if releases.lacks_init(info):
        summary += ", without docker-init: tasks run without an init (Debian: apt-get install tini)"
    if not freezing.may_kernel(version, cgroups):
        summary += ", with a runc before 1.1: a frozen replica wakes some 10 ms later"
    return summary


async def _pools(engine: Engine, networking: Networking) -> Check:
    routes, rules = await run(*pool_conflicts.LIST_ROUTES), await run("iptables-save")
    networks = await engine.get("networks")
    fine = f"{networking.pools.subnets} and {networking.pools.vips} are nobody else's"
    return _checked("pools", pool_conflicts.conflicts(networking, networks, routes, rules), fine)


async def _part(engine: Engine, settings: Settings, part: str) -> Check:
    container = await engine.find(f"containers/{labels.part_name(settings.instance, part)}/json")
    if container is None:
        return Check(part, "it does not run: space-cloud start", ok=False)
    if not Ownership.of(settings).has("part", container):
        name = labels.part_name(settings.instance, part)
        fix = f"docker rm -f {name}, then space-cloud start"
        return Check(part, f"a container of its name is not ours: {fix}", ok=False)
    state = container["State"]
    since = str(state["StartedAt"]).partition(".")[0].replace("T", " ")
    if state["Running"] and not state["Paused"]:
        restarts = container["RestartCount"]
        again = f", started again {restarts} times by the engine" if restarts else ""
        return Check(part, f"runs since {since} UTC{again}", ok=True)
    fix = f"space-cloud start, then docker logs {container['Name'][1:]}"
    return Check(part, f"it is {state['Status']} (exit code {state['ExitCode']}): {fix}", ok=False)


async def _load_reports(engine: Engine, settings: Settings) -> list[Check]:
    """Nothing of a gateway that does not run or is not ours: of that another check tells."""
    name = labels.part_name(settings.instance, "gateway")
    container = await engine.find(f"containers/{name}/json")
    if container is None or not container["State"]["Running"]:
        return []
    if not Ownership.of(settings).has("part", container):
        return []
    return [load_reports(name, container["Config"]["Cmd"] or ())]


def load_reports(gateway: str, arguments: Iterable[str]) -> Check:
    """
    Of the container of that name, started with these.

    An installation that was just upgraded is in order: whether somebody needs it to scale, and is
    ready to pay for it with the calls that are under way, the doctor does not know.
    """
    if bootstrap.reports_load(arguments):
        return Check("load reports", "the gateway tells how much each replica has to do", ok=True)
    message = (
        "the gateway is of an earlier release and tells no load, so that nothing scales: "
        f"docker stop {gateway} has it made anew, and cuts the calls that are under way"
    )
    return Check("load reports", message, ok=True)


def reclaims(settings: Settings, cgroups: Path = CGROUPS, proc: Path = PROC) -> list[Check]:
    """Nothing where it is not asked for."""
    if not settings.reclaim_frozen:
        return []
    why_not = filter(None, [reclaim.why_not(cgroups, proc)])
    return [_checked("reclaim", why_not, "frozen replicas give their memory back")]


async def _strangers(engine: Engine, settings: Settings) -> Check:
    """What carries our labels and was not made by us. It is never touched."""
    owner = Ownership.of(settings)
    filters = {"label": [f"{labels.INSTANCE}={settings.instance}"]}
    containers = await engine.get("containers/json", all=True, filters=filters)
    networks = await engine.get("networks", filters=filters)
    strangers = [
        *(" ".join(names_of(c)) for c in containers if not owner.has_container(c)),
        *(" ".join(names_of(n)) for n in networks if not owner.has("network", n)),
    ]
    if not strangers:
        return Check("labels", "only what is ours carries them", ok=True)
    more = f" and {len(strangers) - MOST_NAMED} more" if len(strangers) > MOST_NAMED else ""
    message = (
        f"{', '.join(sorted(strangers)[:MOST_NAMED])}{more} carry labels of this instance and were "
        "not made by it; they are left alone: docker rm -f what nobody needs"
    )
    return Check("labels", message, ok=False)


async def _rules(networking: Networking) -> Check:
    try:
        wrong = await _lasting_differences(Firewall(networking))
    except Transient as error:
        wrong = (str(error),)
    fix = ": space-cloud start mends them" if wrong else "all in place, and first"
    return Check("rules", f"{'; '.join(wrong)}{fix}", ok=not wrong)


async def _lasting_differences(firewall: Firewall) -> tuple[str, ...]:
    """Not what a control plane that runs is just about to mend."""
    wrong = await firewall.look()
    for _ in range(MOST_LOOKS - 1):
        if not wrong:
            break
        await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        wrong = await firewall.look()
    return wrong


async def _connected(settings: Settings) -> Check:
    what = "gateway's configuration"
    try:
        path = f"/stats?filter=^{CONNECTED.replace('.', '[.]')}$"
        text = await admin.read(RunDirectory(settings.run_dir).admin_socket, path, ADMIN_SECONDS)
    except Transient as error:
        return Check(what, f"{error}: space-cloud start", ok=False)
    if text.decode().strip() == f"{CONNECTED}: 1":
        return Check(what, "the gateway hears the control plane", ok=True)
    message = "the gateway does not hear the control plane and keeps what it had: space-cloud start"
    return Check(what, message, ok=False)


def _checked(what: str, problems: Iterable[str], fine: str) -> Check:
    message = "; ".join(problems)
    return Check(what, message or fine, ok=not message)
