"""Options that cannot be followed are refused before anything is started."""

from pathlib import Path
from typing import Any

import pytest

from trimtab.sidecar.envoy import EnvoySidecarOptions

GOOD: dict[str, Any] = {
    "releases": ("checkout",),
    "socket": Path("sidecar.sock"),
    "kafka": "127.0.0.1:9092",
    "redis": "redis://127.0.0.1:6379/0",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("releases", ()),
        ("releases", ("Checkout",)),
        ("releases", ("checkout", "")),
        ("releases", ("checkout", "checkout")),
        ("kafka", ""),
        ("redis", ""),
        ("redis", "127.0.0.1:6379"),
        ("redis", "http://127.0.0.1:6379"),
        ("checkpoint", Path("beside-no-log")),
        ("virtual_host", "of-no-routes"),
    ],
)
def test_the_field_that_is_wrong_is_named(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        EnvoySidecarOptions(**{**GOOD, field: value})


def test_a_sidecar_is_named_by_its_host_unless_it_is_told() -> None:
    assert EnvoySidecarOptions(**GOOD).id.startswith("envoy-")
    assert EnvoySidecarOptions(**GOOD, id="left").id == "left"
