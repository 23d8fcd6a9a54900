"""Get an image from its registry, layer by layer, and say clearly when it cannot be had."""

import asyncio
import base64
import json
import logging
from collections.abc import Mapping

import stamina

from spacecloud.drivers.docker.engine import Engine, EngineRefused, Json
from spacecloud.errors import Terminal, Transient

logger = logging.getLogger(__name__)

TRIES = 3
HOPELESS = (
    "not found",
    "manifest unknown",
    "does not exist",
    "unauthorized",
    "denied",
    "authentication required",
    "no basic auth credentials",
    "invalid reference",
    "no matching manifest",
)
SILENCE_SECONDS = 300.0
"""Without a word of progress: the registry, or the engine, has forgotten us."""

PROGRESS_SECONDS = 2.0
"""Between two lines on a pull's progress."""


async def pull(engine: Engine, image: str, credentials: Mapping[str, str] | None) -> None:
    """
    ``Terminal`` at once when the registry says no, and after three tries when it is not reached.
    """
    try:
        async for attempt in stamina.retry_context(
            on=Transient, attempts=TRIES, wait_initial=0.5, wait_max=4.0, timeout=None
        ):
            with attempt:
                await _try(engine, image, credentials)
    except Transient as error:
        raise Terminal(
            f"image {image} is not on this machine, and pulling it failed {TRIES} times: {error}"
        ) from error


async def _try(engine: Engine, image: str, credentials: Mapping[str, str] | None) -> None:
    headers = {"X-Registry-Auth": _auth(credentials)} if credentials is not None else {}
    name, tag = split(image)
    progress = _Progress(image)
    try:
        async with engine.stream(
            "POST",
            "images/create",
            headers=headers,
            silence_seconds=SILENCE_SECONDS,
            fromImage=name,
            tag=tag,
        ) as messages:
            async for message in messages:
                if "error" in message:
                    raise _failure(image, str(message["error"]))
                progress.note(message)
    except EngineRefused as error:
        raise _failure(image, str(error)) from error


def split(image: str) -> tuple[str, str]:
    """Name and tag or digest; the engine pulls every tag where none is given."""
    if "@" in image:
        name, _, digest = image.partition("@")
        return name, digest
    folder, slash, last = image.rpartition("/")
    name, _, tag = last.partition(":")
    return folder + slash + name, tag or "latest"


def _failure(image: str, words: str) -> Terminal | Transient:
    text = words.strip().rstrip(".")
    if any(sign in text.lower() for sign in HOPELESS):
        return Terminal(
            f"image {image} cannot be pulled: {text}: check its name and tag, and "
            "docker.secret if its registry needs a login"
        )
    return Transient(text)


class _Progress:
    def __init__(self, image: str) -> None:
        self._image = image
        self._layers: dict[str, tuple[int, int]] = {}
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()

    def note(self, message: Json) -> None:
        layer, detail = str(message.get("id", "")), message.get("progressDetail") or {}
        if not layer or "total" not in detail:
            return
        self._layers[layer] = (detail.get("current", 0), detail["total"])
        if self._clock() - self._last >= PROGRESS_SECONDS:
            self._last = self._clock()
            got, total = (sum(n) // 1_000_000 for n in zip(*self._layers.values(), strict=True))
            logger.info("pulling %s: %d of %d MB", self._image, got, total)


def _auth(credentials: Mapping[str, str]) -> str:
    body = {
        "username": credentials.get("username", ""),
        "password": credentials.get("password", ""),
        "serveraddress": credentials.get("url", ""),
    }
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()
