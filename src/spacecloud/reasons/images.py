"""Why an image is not here, or cannot be used."""

from dataclasses import dataclass

from spacecloud.reasons.base import BaseReason


@dataclass(frozen=True, slots=True)
class ImageNotFound(BaseReason):
    """The registry says that there is no such image, or none for us: it does not tell which."""

    image: str
    message: str

    code = "ImageNotFound"
    remedy = (
        "check the image's name and tag, and docker.secret if its registry needs a login; then "
        "apply again"
    )

    def __str__(self) -> str:
        return (
            f"image {self.image} cannot be pulled: {self.message}: check its name and tag, and "
            "docker.secret if its registry needs a login"
        )


@dataclass(frozen=True, slots=True)
class RegistryDenied(BaseReason):
    image: str
    message: str

    code = "RegistryDenied"
    remedy = "name a secret of type docker with a login that may pull it in docker.secret"

    def __str__(self) -> str:
        return (
            f"image {self.image} cannot be pulled: the registry wants a login: {self.message}: "
            "name one in docker.secret"
        )


@dataclass(frozen=True, slots=True)
class RegistryUnavailable(BaseReason):
    image: str
    tries: int
    message: str

    code = "RegistryUnavailable"
    remedy = (
        "check that this machine reaches the registry (the network, the engine's proxy) with "
        "docker pull; it is tried again every 5 min, or when it is applied again"
    )

    def __str__(self) -> str:
        return (
            f"image {self.image} cannot be pulled: {self.tries} tries failed, the last with: "
            f"{self.message}"
        )


@dataclass(frozen=True, slots=True)
class RegistryNotResolved(BaseReason):
    """DNS knows no address of the registry, or does not answer."""

    image: str
    registry: str
    tries: int
    message: str

    code = "RegistryNotResolved"

    def __str__(self) -> str:
        return (
            f"image {self.image} cannot be pulled: DNS gives no address of its registry "
            f"{self.registry}: {self.tries} tries failed, the last with: {self.message}"
        )

    @property
    def fix(self) -> str:
        return (
            f"check the registry's name in docker.image, and that this machine's DNS knows it "
            f"(getent hosts {self.registry}); it is tried again every 5 min, or when it is "
            "applied again"
        )


@dataclass(frozen=True, slots=True)
class NoSpaceForImage(BaseReason):
    image: str
    message: str

    code = "NoSpaceForImage"
    remedy = (
        "make room on the disk of the Docker Engine (docker system df shows what takes it); it is "
        "tried again every 5 min, or when it is applied again"
    )

    def __str__(self) -> str:
        return f"image {self.image} cannot be pulled: {self.message}"


@dataclass(frozen=True, slots=True)
class PullTimedOut(BaseReason):
    image: str
    seconds: float

    code = "PullTimeout"
    remedy = "the registry or the line to it is slow: raise SPACE_CLOUD_PULL_SECONDS"

    def __str__(self) -> str:
        return (
            f"image {self.image} cannot be pulled: it was not here after {self.seconds:g} s "
            "(SPACE_CLOUD_PULL_SECONDS)"
        )


@dataclass(frozen=True, slots=True)
class PullFailed(BaseReason):
    """The engine refuses the pull."""

    image: str
    message: str

    code = "ErrImagePull"
    remedy = "docker pull says the same: mend what it names, then apply again"

    def __str__(self) -> str:
        return f"image {self.image} cannot be pulled: {self.message}"


@dataclass(frozen=True, slots=True)
class InvalidImageName(BaseReason):
    image: str
    message: str

    code = "InvalidImageName"
    remedy = "write docker.image as [registry/]name[:tag]"

    def __str__(self) -> str:
        return f"image {self.image} cannot be pulled: {self.message}"


@dataclass(frozen=True, slots=True)
class NoImageForPlatform(BaseReason):
    image: str
    message: str

    code = "NoMatchingManifest"
    remedy = "build or choose the image for this machine"

    def __str__(self) -> str:
        return f"image {self.image} cannot be pulled: {self.message}"


@dataclass(frozen=True, slots=True)
class OtherArchitecture(BaseReason):
    image: str
    theirs: str
    ours: str

    code = "ArchitectureMismatch"
    remedy = "build or choose the image for this machine"

    def __str__(self) -> str:
        return (
            f"image {self.image} is built for {self.theirs} and this machine is {self.ours}: use "
            f"an image for {self.ours}"
        )


@dataclass(frozen=True, slots=True)
class ImageVanished(BaseReason):
    """Between the look and the creation of a container of it."""

    image: str

    code = "ImageVanished"

    def __str__(self) -> str:
        return f"image {self.image} has gone: it will be resolved anew"


ImageReason = (
    ImageNotFound
    | RegistryDenied
    | RegistryUnavailable
    | RegistryNotResolved
    | NoSpaceForImage
    | PullTimedOut
    | PullFailed
    | InvalidImageName
    | NoImageForPlatform
    | OtherArchitecture
    | ImageVanished
)
