"""
The public listener and the ingress route table, as one Envoy is told of them.

The listener and the API's routes go first and have an owner of their own. Of a table that Envoy
refuses, the rules that it refuses are left out and the rest is published.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spacecloud.drivers.docker.gateway.resource_limits import most_files
from spacecloud.drivers.docker.xds.ads import Ads
from spacecloud.drivers.docker.xds.encoding import messages
from spacecloud.errors import Terminal
from spacecloud.mesh.envoy.ingress import ingress_resources, table_routes
from spacecloud.mesh.envoy.limits import most_connections
from spacecloud.mesh.envoy.public import SCRATCH_TABLE, PublicListener, public_resources
from spacecloud.mesh.envoy.resources import Resources
from spacecloud.mesh.envoy.spoofable_headers import dropped_as_written
from spacecloud.model.api import API_PATHS, PRIVATE_PATHS
from spacecloud.model.refs import INGRESS, INGRESS_TABLE, PLATFORM_PROJECT, ServiceKey
from spacecloud.model.traffic import IngressRule, IngressTable
from spacecloud.reasons.platform import GatewayRejected
from spacecloud.settings import Settings

SCRATCH = ServiceKey(PLATFORM_PROJECT, "trials")
"""Owner of the table that is tried and never answers."""


def public_listener(settings: Settings) -> PublicListener:
    return PublicListener(
        settings.http_port,
        API_PATHS,
        API_PATHS if settings.expose_api else (),
        settings.trusted_proxies,
        most_connections(settings.public_connections, most_files()),
    )


class Ingress:
    def __init__(self, settings: Settings, ads: Ads) -> None:
        wanted = public_listener(settings)
        self._forms = [wanted, replace(wanted, dropped=dropped_as_written)]
        """The first that the gateway takes: the last is for one of an earlier release."""

        self._ads = ads
        self._refused: dict[IngressRule, str] = {}
        """In Envoy's words. Asked once: a rule that is written anew is another one."""

    async def publish(self, table: IngressTable) -> Mapping[str, str]:
        """
        Serve all rules but those that Envoy refuses: their ids, with Envoy's words.

        ``Terminal`` when it refuses the listener, or a table of rules of which it refuses none.
        """
        await self._publish_listener()
        # The listener waits for all routes that its scopes mention, those of the scratch table too.
        await self._rejection(())
        known = {rule: self._refused[rule] for rule in table.rules if rule in self._refused}
        try:
            await self._publish_table([rule for rule in table.rules if rule not in known])
        except Terminal:
            refused = await self._find_refused([r for r in table.rules if r not in known])
            await self._rejection(())
            if not refused:
                raise
            known |= refused
            await self._publish_table([rule for rule in table.rules if rule not in known])
        self._refused = known
        return {rule.id: detail for rule, detail in known.items()}

    async def _publish_listener(self) -> None:
        while True:
            try:
                return await self._ads.apply(
                    INGRESS, lambda: messages(public_resources(self._forms[0]))
                )
            except Terminal as error:
                if not _is_regex_too_large(error) or len(self._forms) == 1:
                    raise
                del self._forms[0]

    async def _publish_table(self, rules: Sequence[IngressRule]) -> None:
        resources = ingress_resources(IngressTable(tuple(rules)), PRIVATE_PATHS)
        await self._ads.apply(INGRESS_TABLE, lambda: messages(resources))

    async def _find_refused(self, rules: Sequence[IngressRule]) -> dict[IngressRule, str]:
        """
        By halves: of n rules, k are found with about 2k log n tries, and 2n at the most.

        Tried beside the live table, so what is served meanwhile does not change.
        """
        detail = await self._rejection(rules)
        if not detail or not rules:
            return {}
        if len(rules) == 1:
            return {rules[0]: detail}
        middle = len(rules) // 2
        first = await self._find_refused(rules[:middle])
        return first | await self._find_refused(rules[middle:])

    async def _rejection(self, rules: Sequence[IngressRule]) -> str:
        """What Envoy has against them; empty: nothing."""
        routes = table_routes(SCRATCH_TABLE, IngressTable(tuple(rules)))
        try:
            await self._ads.apply(SCRATCH, lambda: messages(Resources(routes=(routes,))))
        except Terminal as error:
            return str(error)
        return ""


def _is_regex_too_large(error: Terminal) -> bool:
    match error.reason:
        case GatewayRejected(exceeded="regex size"):
            return True
        case _:
            return False
