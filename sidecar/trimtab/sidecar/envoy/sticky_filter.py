"""Stickiness in Envoy: a filter in Lua that puts the bucket of a visitor into a header, by which the route is chosen.

What a release's visitors are recognised by rides in the metadata of its routes. Without it the filter does nothing.
Envoy has chosen a route before any filter sees the request, so the filter lets it choose once more. The log entry of a
request's start is written in between, and names a cluster that was drawn: `access_log.py` passes it over.

A visitor who should have a cookie and has none is given one, with the request's id in it, and is sent where it says
from this request on.
"""

from typing import Any, Final

from google.protobuf.struct_pb2 import Struct

from trimtab.schemas.decision import Sticky

FILTER: Final = "envoy.filters.http.lua"
"""The name of the filter, and of the metadata that it reads."""
HEADER_BUCKET: Final = "x-trimtab-bucket"
"""Between the filter and the route; what a visitor sends in it is not heeded, and services do not get it."""

_KEPT_S: Final = 30 * 24 * 3600

# FNV-1a twice, as in `trimtab.schemas.stickiness`. LuaJIT has doubles: a product of 32 and 9 bits is exact, and the
# prime's other bit is a shift.
_SOURCE: Final = f"""
local function fnv1a(text)
  local hash = 2166136261
  for at = 1, #text do
    hash = bit.bxor(hash, string.byte(text, at)) % 4294967296
    hash = (bit.lshift(hash, 24) % 4294967296 + hash * 403) % 4294967296
  end
  return hash
end

local function bucket_of(seed, key)
  return fnv1a(string.format("%.0f", fnv1a(seed .. key))) % 10000
end

local function cookie_of(header, name)
  for pair in string.gmatch(header or "", "[^;,]+") do
    local key, value = string.match(pair, "^%s*([^=]-)=(.-)%s*$")
    if key == name and value ~= "" then
      return value
    end
  end
end

local function recognised(handle, by)
  local headers = handle:headers()
  local name = by:get("header")
  if name ~= nil then
    return headers:get(name)
  end
  name = by:get("cookie")
  local known = cookie_of(headers:get("cookie"), name)
  if known == nil then
    known = headers:get("x-request-id")
    if known ~= nil then
      handle:streamInfo():dynamicMetadata():set("{FILTER}", "cookie", name .. "=" .. known)
    end
  end
  return known
end

function envoy_on_request(handle)
  local by = handle:metadata()
  local seed = by:get("seed")
  if seed == nil then
    return
  end
  handle:headers():remove("{HEADER_BUCKET}")
  local key = recognised(handle, by)
  if key ~= nil then
    handle:headers():add("{HEADER_BUCKET}", string.format("%.0f", bucket_of(seed, key)))
  end
  handle:clearRouteCache()
end

function envoy_on_response(handle)
  local told = handle:streamInfo():dynamicMetadata():get("{FILTER}")
  if told ~= nil and told["cookie"] ~= nil then
    handle:headers():add("set-cookie", told["cookie"] .. "; Path=/; Max-Age={_KEPT_S}; HttpOnly; SameSite=Lax")
  end
end
"""


def sticky_filter() -> dict[str, Any]:
    """Gives the filter, for the chain of an HTTP connection manager."""
    lua = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"
    return {
        "name": FILTER,
        "typed_config": {"@type": lua, "default_source_code": {"inline_string": _SOURCE.lstrip()}},
    }


def recognise(metadata: Struct, by: Sticky) -> None:
    """Lets the filter recognise visitors of a route, with `metadata` under the filter's name."""
    metadata["seed"] = by.seed
    if by.cookie:
        metadata["cookie"] = by.cookie
    else:
        metadata["header"] = by.header.lower()
