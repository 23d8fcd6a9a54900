"""
What makes a route impossible to serve: such a route is left out and holds up no other.

The limits are Envoy's, or keep what is made of one document small.
"""

import re
from collections.abc import Iterable, Sized
from dataclasses import replace

from spacecloud.errors import InvalidSpec, Mistake
from spacecloud.model.routing import HeaderChange, IngressRoute

_HOST = re.compile(r"\*|(\*\.)?[A-Za-z0-9_]([-A-Za-z0-9_.]*[A-Za-z0-9_])?(:\d+)?")
_METHOD = re.compile(r"\*|[A-Za-z]+")
_PATH = re.compile(r"(/[^\s?#\x00-\x20\x7f\ud800-\udfff]*)?")
_TOKEN = re.compile(r"[-A-Za-z0-9!#$%&'*+.^_`|~]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")

_FIXED_HEADERS = ("host", "content-length")

_SHOWN = 100
"""Characters of what is wrong that are repeated."""

MOST_HOSTS = 100
MOST_METHODS = 50
MOST_TARGETS = 100
MOST_HEADERS = 100
"""Of requests, and of responses. Envoy's own limit is 1,000."""

MOST_HEADER_TEXT = 64 << 10
"""Of all names and values together: a message may have 96 KiB of them, ours and its own."""

LONGEST_HOST = 253
LONGEST_METHOD = 64
LONGEST_PATH = 8_000
LONGEST_HEADER = 8_000
"""Bytes of a name, and of a value as Envoy is given it; its own limit is 16,384."""


def mistakes(route: IngressRoute) -> tuple[Mistake, ...]:
    """By place in the route; none for one that can be served."""
    source, modify = route.source, route.modify
    headers = (modify.headers, modify.res_headers) if modify else ()
    found = [
        *_too_many("source.hosts", source.hosts, MOST_HOSTS),
        *_too_many("source.methods", source.methods, MOST_METHODS),
        *_too_many("targets", route.targets, MOST_TARGETS),
        *(m for edits in headers for m in _too_many("modify", edits, MOST_HEADERS)),
    ]
    if found:
        return tuple(found)
    found += [
        Mistake("source.hosts", f"{h!r} is no host name")
        for h in _others(_HOST, source.hosts, LONGEST_HOST)
    ]
    found += [
        Mistake("source.methods", f"{m!r} is no method")
        for m in _others(_METHOD, source.methods, LONGEST_METHOD)
    ]
    for field, path in (("url", source.url), ("rewrite", source.rewrite)):
        if not _PATH.fullmatch(path):
            sentence = f"{path!r} holds blanks, ?, # or control characters"
            found.append(Mistake(f"source.{field}", sentence))
        elif len(path.encode(errors="replace")) > LONGEST_PATH:
            sentence = f"it is longer than {LONGEST_PATH:,} bytes"
            found.append(Mistake(f"source.{field}", sentence))
    if source.escaped_slashes == "keep" and source.type != "prefix":
        sentence = "escaped slashes can be kept below a prefix only"
        found.append(Mistake("source.escapedSlashes", sentence))
    for edits in headers:
        if sum(len(header.key) + len(header.value) for header in edits) > MOST_HEADER_TEXT:
            sentence = f"together the headers are longer than {MOST_HEADER_TEXT:,}"
            found.append(Mistake("modify", sentence))
        for header in edits:
            found += _header_mistakes(header)
    return tuple(found)


def check(route: IngressRoute) -> None:
    """Raises ``InvalidSpec`` with all of them."""
    found = mistakes(route)
    if found:
        wrong = tuple(replace(m, path=f"spec.{m.path}") for m in found)
        raise InvalidSpec("; ".join(str(mistake) for mistake in wrong), wrong)


def _header_mistakes(header: HeaderChange) -> Iterable[Mistake]:
    shown = header.key[:_SHOWN]
    if not _TOKEN.fullmatch(header.key) or header.key.lower() in _FIXED_HEADERS:
        yield Mistake("modify", f"{shown!r} is no header that may be changed")
    elif len(header.key) > LONGEST_HEADER:
        yield Mistake("modify", f"the header {shown}… is longer than {LONGEST_HEADER:,} bytes")
    if not _VALUE.fullmatch(header.value):
        yield Mistake("modify", f"the value of {shown!r} holds control characters")
    # A percent sign is given to Envoy twice.
    elif len(header.value.encode()) + header.value.count("%") > LONGEST_HEADER:
        yield Mistake("modify", f"the value of {shown!r} is longer than {LONGEST_HEADER:,} bytes")


def _too_many(field: str, given: Sized, most: int) -> Iterable[Mistake]:
    if len(given) > most:
        yield Mistake(field, f"{len(given):,} of them are more than {most}")


def _others(pattern: re.Pattern[str], values: Iterable[str], longest: int) -> Iterable[str]:
    return (v[:_SHOWN] for v in values if len(v) > longest or not pattern.fullmatch(v))
