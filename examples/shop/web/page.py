"""The report as one HTML page that needs nothing from elsewhere."""

import html
from pathlib import Path
from string import Template

_PAGE = Template((Path(__file__).parent / "page.html").read_text())
_CALL = Template("""
      <article class="call $state">
        <header>
          <span class="mark">$mark</span><h2>$route</h2><span class="ms">$ms ms</span>
        </header>
        <p class="result">$result</p>
        <p class="why">$why</p>
      </article>""")


def render(report: dict) -> str:
    return _PAGE.substitute(
        state=_state(good=report["ok"]),
        verdict=_verdict(report),
        calls=_api(report["api"]) + _cache(report["cache"]) + _stats(report["stats"]),
        edge_api=_state(good=report["api"]["ok"]),
        edge_cache=_state(good=report["cache"]["refused"]),
        edge_stats=_state(good=report["stats"]["ok"]),
        replica=html.escape(str(report["replica"])),
        ms=report["ms"],
    )


def _verdict(report: dict) -> str:
    if report["ok"]:
        return "Two calls were answered, one was refused, as declared."
    if report["cache"]["reached"]:
        return "web reached the cache, which shop.yaml as it comes does not allow."
    return "Not every call went as declared, see below."


def _api(call: dict) -> str:
    result = (
        f"visit number <b>{call['visits']}</b>, counted in Redis by api replica "
        f"<code>{html.escape(call['replica'])}</code>"
        if call["ok"]
        else _error(call)
    )
    why = (
        "web names api in its <b>upstreams</b>, api names web in its <b>whitelists</b>; "
        "api may call the cache, and did. Reload: the replicas take turns."
    )
    return _call("web → api → cache", call, result, why, good=call["ok"])


def _cache(call: dict) -> str:
    if call["refused"]:
        result = f"<b>refused by policy</b>, as it should be: {html.escape(str(call['how']))}"
    elif call["reached"]:
        result = f"<b>let through</b>: {html.escape(str(call['how']))}"
    else:
        result = f"neither answered nor refused: {html.escape(str(call['how']))}"
    why = (
        f"web tries <code>{html.escape(call['address'])}</code> itself. As shop.yaml comes, "
        "cache's <b>whitelists</b> hold api alone, and web's <b>upstreams</b> do not name cache."
    )
    return _call("web → cache", call, result, why, good=call["refused"])


def _stats(call: dict) -> str:
    result = (
        f"<b>{call['views']}</b> pages by this replica, half of them within "
        f"<b>{call['median_ms']} ms</b>"
        if call["ok"]
        else _error(call)
    )
    why = (
        f"The second task of the same replica: <code>{html.escape(call['url'])}</code>. "
        "Nobody else can reach it."
    )
    return _call("web → stats on localhost", call, result, why, good=call["ok"])


def _error(call: dict) -> str:
    return f"<b>failed</b>: {html.escape(str(call['error']))}"


def _call(route: str, call: dict, result: str, why: str, *, good: bool) -> str:
    return _CALL.substitute(
        state=_state(good=good),
        mark="✓" if good else "✗",
        route=route,
        ms=call["ms"],
        result=result,
        why=why,
    )


def _state(*, good: bool) -> str:
    return "good" if good else "bad"
