"""Get an image from its registry, layer by layer, and say clearly when it cannot be had."""

import asyncio
import base64
import json
import logging
from collections.abc import Callable, Mapping

import stamina

from spacecloud.drivers.docker.engine import Engine, Silent
from spacecloud.drivers.docker.engine_errors import (
    NO_IMAGE,
    NO_LOGIN,
    NO_PLATFORM,
    NO_REGISTRY,
    NO_SPACE,
    EngineError,
    error_in_stream,
    row_of,
)
from spacecloud.drivers.docker.images.pull_progress import PullProgress
from spacecloud.errors import Terminal, Transient
from spacecloud.model.image import parse_image
from spacecloud.model.lines import message
from spacecloud.model.status import PullView
from spacecloud.reasons.images import (
    ImageNotFound,
    ImageReason,
    InvalidImageName,
    NoImageForPlatform,
    NoSpaceForImage,
    PullFailed,
    PullTimedOut,
    RegistryDenied,
    RegistryNotResolved,
    RegistryUnavailable,
)
from spacecloud.reasons.platform import EngineFailed

logger = logging.getLogger(__name__)

TRIES = 3
DEFAULT_REGISTRY = "docker.io"
SILENCE_SECONDS = 300.0
"""Without a word of progress: the registry, or the engine, has forgotten us."""

LONGEST_WORDS = 2000
"""Of a registry's refusal, in characters."""

REASONS: Mapping[str, Callable[[str, str], ImageReason]] = {
    NO_PLATFORM: NoImageForPlatform,
    NO_LOGIN: RegistryDenied,
    NO_IMAGE: ImageNotFound,
}
"""Where another reference, login or image helps; else the engine's words are all there is."""

PROGRESS_SECONDS = 2.0
"""Between two lines on a pull's progress."""


class Pulls:
    def __init__(self, engine: Engine, limit_seconds: float = 1800) -> None:
        """``limit_seconds``: for all tries together, however much the registry says."""
        self._engine = engine
        self._limit_seconds = limit_seconds
        self._running: dict[str, PullProgress] = {}

    def running(self) -> Mapping[str, PullView]:
        """By image."""
        return {image: progress.view() for image, progress in self._running.items()}

    async def pull(self, image: str, credentials: Mapping[str, str] | None) -> None:
        """
        ``Terminal`` at once when the registry says no, after three tries when it is not reached,
        and when it takes too long in all. ``Transient`` where the engine is not reached.
        """
        try:
            async with asyncio.timeout(self._limit_seconds):
                async for attempt in stamina.retry_context(
                    on=Transient, attempts=TRIES, wait_initial=0.5, wait_max=4.0, timeout=None
                ):
                    with attempt:
                        await self._try(image, credentials)
        except TimeoutError as error:
            raise Terminal(PullTimedOut(image, self._limit_seconds)) from error
        except _Passing as error:
            raise Terminal(_after_all_tries(image, error)) from error
        finally:
            self._running.pop(image, None)

    async def _try(self, image: str, credentials: Mapping[str, str] | None) -> None:
        headers = {"X-Registry-Auth": _auth(credentials)} if credentials is not None else {}
        name, tag = split(image)
        progress = self._running[image] = PullProgress(image)
        paced = _Paced()
        try:
            async with self._engine.stream(
                "POST",
                "images/create",
                headers=headers,
                silence_seconds=SILENCE_SECONDS,
                fromImage=name,
                tag=tag,
            ) as messages:
                async for entry in messages:
                    if "error" in entry:
                        raise _failure(image, error_in_stream(entry), progress.missing())
                    progress.note(entry)
                    if paced.is_due():
                        logger.info("%s", progress.view())
        except EngineError as error:
            raise _failure(image, error) from error
        except Silent as error:
            # It says nothing for as long as a registry says nothing to it.
            raise _Passing(SILENT, str(error)) from error


def split(image: str) -> tuple[str, str]:
    """
    Name and tag or digest; the engine pulls every tag where none is given.

    ``Terminal`` for what is no reference.
    """
    try:
        reference = parse_image(image)
    except ValueError as error:
        raise Terminal(InvalidImageName(ascii(image)[:200], str(error))) from error
    return reference.name, reference.digest or reference.tag or "latest"


SILENT = "silent"


class _Passing(Transient):
    """Another try may succeed; ``row`` of the table of refusals, or ``SILENT``."""

    def __init__(self, row: str, words: str) -> None:
        super().__init__(EngineFailed("pull", words))
        self.row = row
        self.words = words


def _after_all_tries(image: str, last: _Passing) -> ImageReason:
    match last.row:
        case row if row == NO_REGISTRY:
            return RegistryNotResolved(image, registry_of(image), TRIES, last.words)
        case row if row == NO_SPACE:
            return NoSpaceForImage(image, last.words)
        case _:
            return RegistryUnavailable(image, TRIES, last.words)


def registry_of(image: str) -> str:
    """Its host, as the engine reads a reference."""
    host, slash, _ = image.partition("/")
    is_host = slash and ("." in host or ":" in host or host == "localhost")
    return host if is_host else DEFAULT_REGISTRY


def _failure(image: str, error: EngineError, missing: tuple[str, ...] = ()) -> Terminal | Transient:
    text = str(error)[:LONGEST_WORDS].strip().rstrip(".")
    if missing:
        which = "layer" if len(missing) == 1 else "one of the layers"
        text = f"{text} ({which} {', '.join(missing)})"
    row = row_of("pull", error)
    if row.outcome is Transient:
        return _Passing(row.reason, message(text))
    return Terminal(REASONS.get(row.reason, PullFailed)(image, message(text)))


class _Paced:
    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()

    def is_due(self) -> bool:
        if self._clock() - self._last < PROGRESS_SECONDS:
            return False
        self._last = self._clock()
        return True


def _auth(credentials: Mapping[str, str]) -> str:
    body = {
        "username": credentials.get("username", ""),
        "password": credentials.get("password", ""),
        "serveraddress": credentials.get("url", ""),
    }
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()
