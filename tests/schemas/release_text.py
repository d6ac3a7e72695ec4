"""Release files to start from."""

from typing import Final

CANARY: Final = """\
apiVersion: trimtab.dev/v1
kind: Release
metadata:
  name: checkout
spec:
  baseline: v1
  variants:
    - name: v1
    - name: v2
  strategy:
    type: canary
"""

FULL: Final = """\
apiVersion: trimtab.dev/v1
kind: Release
metadata:
  name: checkout
  labels: {team: payments}
spec:
  route: {prefix: /checkout}
  baseline: v1
  variants:
    - name: v1
      target: checkout-v1
    - name: v2
      target: checkout-v2
    - name: v3
  objective: {metric: converted, goal: maximize}
  guardrails:
    - metric: error_rate
      max: 0.02
      window: 10s
      minSamples: 50
      confidence: 0.99
    - metric: latency_p99_ms
      max: 250
      window: 1m
  limits: {minWeight: 100, maxWeight: 9000, maxStep: 1000}
  strategy:
    type: bandit
    interval: 500ms
"""


def with_change(old: str, new: str, text: str = CANARY) -> str:
    """Gives `text` with one place changed; the place must be there."""
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
    return text.replace(old, new)
