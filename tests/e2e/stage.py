"""An installation, who uses it, and the machine that it is on."""

from e2e.installation import Installation
from e2e.machine import Machine
from e2e.user import User


class Stage:
    def __init__(self, installation: Installation, images: dict[str, str]) -> None:
        self.installation = installation
        self.user = User(installation, images)
        self.machine = Machine(installation)
