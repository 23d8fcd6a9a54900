"""
Headers in which a sender claims what only a proxy in front of us could know.

An application believes them, so of the outside they are dropped in every spelling: CGI and WSGI,
and what is built on them, read ``X_Forwarded_For`` and ``X-Forwarded-For`` as one variable, and
some servers any sign that is no letter and no digit.
"""

import re
from collections.abc import Iterable
from typing import Literal

from spacecloud.model.json import Json

FORWARDED = "x-forwarded-*"

CLAIMS = (
    "client-cert",
    "client-cert-chain",
    "client-ip",
    "forwarded",
    "forwarded-for",
    "forwarded-for-ip",
    "x-forwarded",
    FORWARDED,
    # Of content delivery networks and clouds.
    "cf-connecting-*",
    "cf-ipcountry",
    "cf-pseudo-ipv4",
    "cf-visitor",
    "fastly-client-ip",
    "fly-client-ip",
    "true-client-ip",
    "x-amzn-oidc-identity",
    "x-appengine-*",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-goog-authenticated-user-*",
    "x-ms-client-principal",
    "x-ms-client-principal-*",
    # Of reverse proxies and what logs in for an application.
    "front-end-https",
    "proxy-client-ip",
    "remote-*",
    "ssl-*",
    "tailscale-user-*",
    "wl-proxy-*",
    "x-arr-*",
    "x-auth-request-*",
    "x-authenticated-*",
    "x-authentik-*",
    "x-client-cert",
    "x-client-dn",
    "x-client-ip",
    "x-client-verify",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-https",
    "x-original-*",
    "x-proxyuser-ip",
    "x-real-ip",
    "x-real-port",
    "x-remote-*",
    "x-rewrite-url",
    "x-scheme",
    "x-ssl-*",
    "x-url-scheme",
    "x-vouch-*",
    "x-webauth-*",
)
"""``*`` stands for any rest. What a signature proves, as a token, is not among them."""

STEERING = ("proxy", "x-envoy-*", "x-space-cloud-*")
"""Nobody's to say: what would steer Envoy or us, and ``HTTP_PROXY`` of a CGI program."""

Believed = Literal["nobody", "forwarded"]
"""``forwarded``: of a trusted proxy, ``x-forwarded-*`` as it is usually spelled. What such a proxy
does not know, it passes on from a stranger."""

_ANY_SIGN = "[^a-z0-9]"


def dropped(believed: Believed) -> list[Json]:
    """Header mutations, by one expression for all names in every spelling."""
    return [_on_match({"safe_regex": {"regex": expression(believed)}})]


def dropped_as_written(believed: Believed) -> list[Json]:
    """
    The same for names with hyphens alone, for a gateway of an earlier release: it refuses
    expressions of that size.
    """
    names = [claim for claim in (*CLAIMS, *STEERING) if believed == "nobody" or claim != FORWARDED]
    return [
        _on_match({"prefix": name.removesuffix("*")}) if name.endswith("*") else {"remove": name}
        for name in names
    ]


def expression(believed: Believed) -> str:
    """For names, in lower case, of all that is dropped."""
    if believed == "nobody":
        return _names((*CLAIMS, *STEERING))
    others = _names((*(claim for claim in CLAIMS if claim != FORWARDED), *STEERING))
    return f"{others}|x[^-a-z0-9]forwarded{_ANY_SIGN}.*|x-forwarded[^-a-z0-9].*"


def _on_match(matcher: Json) -> Json:
    return {"remove_on_match": {"key_matcher": matcher}}


def _names(claims: Iterable[str]) -> str:
    return "|".join(
        re.escape(claim).replace(r"\-", _ANY_SIGN).replace(r"\*", ".*") for claim in claims
    )
