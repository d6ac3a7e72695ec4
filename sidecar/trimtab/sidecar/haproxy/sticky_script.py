"""Stickiness in HAProxy: an action in Lua that takes a visitor to the server whose buckets theirs is among.

The ranges of a release are one value of the map, with the revision in front: they change over as a whole, and a request
is stamped with just the revision that it was routed by.

    1767225600.57|9000=checkout-v1.1,checkout-v1.2|1000=checkout-v2
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from trimtab.schemas.stickiness import Range

ACTION: Final = "trimtab_stick"
NO_RANGES: Final = "-"
"""In their place where nobody is kept."""

# FNV-1a twice, as in `trimtab.schemas.stickiness`. What is left of the number chooses among servers of one variant.
SCRIPT: Final = f"""-- Made by the sidecar of Trimtab, anew at each of its starts.
local function fnv1a(text)
  local hash = 2166136261
  for at = 1, #text do
    hash = ((hash ~ string.byte(text, at)) * 16777619) & 0xffffffff
  end
  return hash
end

local function server_at(ranges, hash)
  local bucket, beyond = hash % 10000, 0
  for width, servers in string.gmatch(ranges, "|(%d+)=([^|]+)") do
    beyond = beyond + tonumber(width)
    if bucket < beyond then
      local names = {{}}
      for name in string.gmatch(servers, "[^,]+") do
        names[#names + 1] = name
      end
      return names[hash // 10000 % #names + 1]
    end
  end
end

core.register_action("{ACTION}", {{"http-req"}}, function(txn, seed)
  local key, ranges = txn:get_var("txn.trimtab_key"), txn:get_var("txn.trimtab_ranges")
  if key == nil or key == "" or ranges == nil then
    return
  end
  local server = server_at(ranges, fnv1a(string.format("%d", fnv1a(seed .. key))))
  if server ~= nil then
    txn:set_var("txn.trimtab_server", server)
    txn:set_var("txn.trimtab_revision", string.match(ranges, "^[^|]*"))
  end
end, 1)
"""


def ranges_text(revision: str, ranges: Iterable[Range], servers: Mapping[str, Sequence[str]]) -> str:
    """Gives ranges as they stand in the map; `servers` are those of each variant.

    >>> ranges_text("7.8", [("v1", 9_000), ("v2", 1_000)], {"v1": ["a.1", "a.2"], "v2": ["b"]})
    '7.8|9000=a.1,a.2|1000=b'
    """
    return "|".join([revision, *(f"{width}={','.join(servers[variant])}" for variant, width in ranges)])
