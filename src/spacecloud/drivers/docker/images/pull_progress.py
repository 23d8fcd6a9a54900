"""How far a pull has come, by what the engine says of each layer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from spacecloud.model.status import PullView

WAITING = frozenset({"Pulling fs layer", "Waiting"})
DOWNLOADED = frozenset({"Verifying Checksum", "Download complete", "Extracting"})
DONE = frozenset({"Pull complete", "Already exists"})


MOST_LAYERS = 1000
LONGEST_ID = 100
MOST_BYTES = 2**53
"""What the registry says comes through here: it is counted, and not believed."""


@dataclass(frozen=True, slots=True)
class Layer:
    current: int = 0
    total: int = 0
    is_downloaded: bool = False
    is_done: bool = False


@dataclass(slots=True)
class PullProgress:
    image: str
    layers: dict[str, Layer] = field(default_factory=dict)

    def note(self, message: Mapping[str, Any]) -> None:
        """One message of the engine's; those that speak of no layer change nothing."""
        id, status = str(message.get("id", ""))[:LONGEST_ID], message.get("status")
        if not isinstance(status, str) or (
            id not in self.layers and len(self.layers) >= MOST_LAYERS
        ):
            return
        layer = self.layers.get(id, Layer())
        if status in WAITING:
            self.layers[id] = replace(layer, is_downloaded=False, is_done=False)
        elif status == "Downloading":
            detail = message.get("progressDetail")
            detail = detail if isinstance(detail, Mapping) else {}
            current, total = _bytes(detail.get("current")), _bytes(detail.get("total"))
            self.layers[id] = replace(layer, current=current, total=total)
        elif status in DOWNLOADED | DONE:
            self.layers[id] = Layer(
                layer.total, layer.total, is_downloaded=True, is_done=status in DONE
            )

    def view(self) -> PullView:
        layers = self.layers.values()
        return PullView(
            image=self.image,
            layers=len(layers),
            layers_done=sum(layer.is_done for layer in layers),
            bytes=sum(layer.total for layer in layers),
            bytes_done=sum(min(layer.current, layer.total) for layer in layers),
        )

    def missing(self) -> tuple[str, ...]:
        """The layers that are not here: where a pull fails, it is one of them."""
        return tuple(id for id, layer in self.layers.items() if not layer.is_downloaded)


def _bytes(count: Any) -> int:
    """A registry that does not say how large a layer is gives -1, or nothing."""
    return min(max(count, 0), MOST_BYTES) if type(count) is int else 0
