"""What makes a route impossible to serve: such a route is left out and holds up no other."""

import re
from collections.abc import Iterable

from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.routing import HeaderChange, IngressRoute

_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?(:\d+)?")
_METHOD = re.compile(r"\*|[A-Za-z]+")
_PATH = re.compile(r"(/[^\s?#\x00-\x20\x7f]*)?")
_TOKEN = re.compile(r"[-A-Za-z0-9!#$%&'*+.^_`|~]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")

_FIXED_HEADERS = ("host", "content-length")


def mistakes(route: IngressRoute) -> tuple[str, ...]:
    """A sentence each; none for a route that can be served."""
    source, modify = route.source, route.modify
    found = [f"source.hosts: {h!r} is no host name" for h in _others(_HOST, source.hosts)]
    found += [f"source.methods: {m!r} is no method" for m in _others(_METHOD, source.methods)]
    for field, path in (("url", source.url), ("rewrite", source.rewrite)):
        if not _PATH.fullmatch(path):
            found.append(f"source.{field}: {path!r} holds blanks, ?, # or control characters")
    for header in (*modify.headers, *modify.res_headers) if modify else ():
        found += _header_mistakes(header)
    return tuple(found)


def check(route: IngressRoute) -> None:
    """Raises ``InvalidSpec`` with all of them."""
    found = [sentence.partition(": ") for sentence in mistakes(route)]
    if found:
        wrong = tuple(Mistake(f"spec.{path}", message) for path, _, message in found)
        raise InvalidSpec("; ".join(str(mistake) for mistake in wrong), wrong)


def _header_mistakes(header: HeaderChange) -> Iterable[str]:
    if not _TOKEN.fullmatch(header.key) or header.key.lower() in _FIXED_HEADERS:
        yield f"modify: {header.key!r} is no header that may be changed"
    if not _VALUE.fullmatch(header.value):
        yield f"modify: the value of {header.key!r} holds control characters"


def _others(pattern: re.Pattern[str], values: Iterable[str]) -> Iterable[str]:
    return (value for value in values if not pattern.fullmatch(value))
