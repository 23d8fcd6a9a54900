"""Where the sockets and files of a running installation are. Pure: it makes paths, reads none."""

from dataclasses import dataclass
from pathlib import Path

GATEWAY_UID = 65533
"""Of the gateway's process; what it is to read or connect to must admit it."""

RESOLVER_UID = 65534
"""``nobody``."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    path: Path

    @property
    def api_socket(self) -> Path:
        """Where the API listens, for root and Envoy's group alone: see ``api_socket``."""
        return self.path / "api.sock"

    @property
    def gateway(self) -> Path:
        """Holds the sockets between control plane and Envoy; belongs to Envoy's user alone."""
        return self.path / "gateway"

    @property
    def xds_socket(self) -> Path:
        return self.gateway / "xds.sock"

    @property
    def admin_socket(self) -> Path:
        return self.gateway / "admin.sock"

    @property
    def names(self) -> Path:
        """Mounted into the resolver, which is told by the kernel of every file that changes."""
        return self.path / "names"

    @property
    def staging(self) -> Path:
        """Beside it: of a file that is not whole the resolver is told nothing."""
        return self.path / "names.new"

    @property
    def upstreams(self) -> Path:
        """A copy of the host's resolv.conf: the resolver follows its changes."""
        return self.path / "upstreams"

    @property
    def upstream_resolv_conf(self) -> Path:
        return self.upstreams / "resolv.conf"
