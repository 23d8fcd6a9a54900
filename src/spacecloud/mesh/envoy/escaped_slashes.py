"""
``%2F`` in paths from outside: a path is made canonical before its route is chosen, and a route may
say that its callee gets the path as it was sent.

Envoy has one setting for all routes, and would have to choose before it knows the route. So the
filter does what the setting does (``UNESCAPE_AND_FORWARD``), and takes it back where the chosen
route keeps escaped slashes. Which route that is follows from the canonical path alone: a denied
path is denied however it is spelled.
"""

from spacecloud.model.json import Json

FILTER = "space-cloud.escaped-slashes"
"""Its name, and the namespace of what a route says to it."""

KEEP_BELOW = "keep_below"
"""The url of a route that keeps them: only what begins with it, letter by letter, is kept."""

_UNUSUAL = r"[^?]*(%(2[fF]|5[cC])|/\.\.?;).*"
"""Paths with an escaped slash, or a dot segment with parameters: Java servers drop the latter."""

_SOURCE = r"""
-- The path, and whether it had dot segments.
local function canonical(path)
  path = path:gsub("%%2[fF]", "/"):gsub("%%5[cC]", "/"):gsub("\\", "/"):gsub("%%2[eE]", ".")
  local kept, dots, last = {}, false, ""
  for segment in path:gmatch("[^/]+") do
    last = segment:match("^[^;]*")
    if last == ".." then
      table.remove(kept)
    elseif last ~= "." then
      kept[#kept + 1] = segment
    end
    dots = dots or last == "." or last == ".."
  end
  local folder = path:sub(-1) == "/" or last == "." or last == ".."
  local slash = #kept > 0 and folder and "/" or ""
  return "/" .. table.concat(kept, "/") .. slash, dots
end

local function is_below(path, url)
  return path:sub(1, #url) == url and (url == "/" or path:sub(#url + 1, #url + 1) == "/")
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local sent = headers:get(":path")
  local path, query = sent:match("^([^?]*)(.*)$")
  local plain, dots = canonical(path)
  headers:replace(":path", plain .. query)
  handle:clearRouteCache()
  local url = handle:metadata():get("KEEP_BELOW")
  -- Without dot segments, whoever unescapes reads what the route was chosen by.
  if url and not dots and is_below(path, url) then
    headers:replace(":path", sent)
  end
end
""".replace("KEEP_BELOW", KEEP_BELOW)


def escaped_slashes() -> Json:
    """Runs for paths that have any; others pass it by."""
    return {
        "name": FILTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": FILTER,
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                    "default_source_code": {"inline_string": _SOURCE},
                },
            },
            "xds_matcher": {"matcher_list": {"matchers": [_SKIPPED]}},
        },
    }


_SKIPPED: Json = {
    "predicate": {
        "not_matcher": {
            "single_predicate": {
                "input": {
                    "name": "path",
                    "typed_config": {
                        "@type": "type.googleapis.com/"
                        "envoy.type.matcher.v3.HttpRequestHeaderMatchInput",
                        "header_name": ":path",
                    },
                },
                "value_match": {"safe_regex": {"regex": _UNUSUAL, "google_re2": {}}},
            }
        }
    },
    "on_match": {
        "action": {
            "name": "skip",
            "typed_config": {
                "@type": "type.googleapis.com/"
                "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
            },
        }
    },
}
