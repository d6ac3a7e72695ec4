#!/bin/sh
# Takes part in the release `checkout` without any code of ours: picks a variant by the newest weights for each of so many
# requests, and publishes what became of it. Needs kcat, redis-cli and jq.
#
#     KAFKA=127.0.0.1:9092 REDIS=redis://127.0.0.1:6379 examples/protocol/shop.sh 20
set -eu
requests=${1:-10}
now_ms() { date +%s%3N; }

# Weights are JSON in the field `weights` of a hash. The braces are literal.
weights=$(redis-cli -u "$REDIS" --raw hget 'trimtab:{checkout}:weights' weights)
[ -n "$weights" ] || { echo 'there are no weights of checkout' >&2; exit 1; }

number=0
while [ "$number" -lt "$requests" ]; do
    number=$((number + 1))
    # A number from 0 to 9,999, and the variant whose share it falls into.
    drawn=$(od -An -N4 -tu4 /dev/urandom | awk '{ print $1 % 10000 }')
    variant=$(printf '%s' "$weights" | jq -r --argjson drawn "$drawn" '
        reduce (.weights | to_entries[]) as $one ({sum: 0};
            .sum += $one.value | if .found == null and $drawn < .sum then .found = $one.key else . end)
        | .found')
    started=$(now_ms)
    # … here the variant does its work …
    ended=$(now_ms)
    # Two events, as one batch; era and revision say which weights routed the request.
    printf '%s' "$weights" | jq -c --arg variant "$variant" --argjson started "$started" --argjson ended "$ended" '
        {release, $variant, era, revision} as $routed
        | {publisher: "shop-in-shell", events: [
            $routed + {kind: "request", time_ms: $started},
            $routed + {kind: "response", time_ms: $ended, duration_ms: ($ended - $started), status: 200}]}'
done | kcat -P -b "$KAFKA" -t trimtab.telemetry -k shop-in-shell
