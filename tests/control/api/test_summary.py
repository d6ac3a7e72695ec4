"""Which sidecars a list counts as stuck: those that decisions know, and those that tell it themselves."""

import pytest
from msgspec.structs import replace

from control.decisions import decision
from trimtab.control.api.summary import summary
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.sidecar import SidecarReport

WELL = SidecarReport(sidecar="edge-1", proxy="envoy", release="checkout", in_force=(7, 42), offered=(7, 42))
STUCK = Divergence(kind="stuck", words="sidecar edge-1 (envoy) stays at revision 40", sidecar="edge-1", proxy="envoy")


@pytest.mark.parametrize(
    ("reports", "divergences", "stuck"),
    [
        ([WELL], [], 0),
        ([replace(WELL, refused="no such cluster")], [], 1),
        ([replace(WELL, stale=True, age_s=90.0)], [], 1),
        ([WELL], [STUCK], 1),
        ([replace(WELL, refused="no such cluster")], [STUCK], 1),
        ([WELL], [replace(STUCK, sidecar="edge-9")], 0),
        ([WELL], [replace(STUCK, kind="shares")], 0),
        ([WELL], [Divergence(kind="drift", words="v2 got 30 %")], 0),
    ],
    ids=["well", "refuses", "past-its-age", "told", "both", "another", "only-shares", "in-telemetry"],
)
def test_a_sidecar_that_does_not_follow_is_counted_once(
    reports: list[SidecarReport], divergences: list[Divergence], stuck: int
) -> None:
    view = ReleaseView(decision(divergences=divergences), b'{"spec": {"baseline": "v1"}}', reports, [])
    assert (summary(view)["sidecars"], summary(view)["stuck"]) == (1, stuck)
