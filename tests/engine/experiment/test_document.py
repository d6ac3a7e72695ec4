"""`docs/experiments.md` says what the code does, and what a person gets by hand."""

import doctest
import re
from math import log, sqrt
from pathlib import Path

import pytest
import yaml

from trimtab.engine.experiment.crossing import crossing, drift_for, inflation_ratio
from trimtab.schemas.scaling import Scaling

DOCUMENT = Path(__file__).parents[3] / "docs" / "experiments.md"


def test_its_examples_come_out() -> None:
    results = doctest.testfile(str(DOCUMENT), module_relative=False)
    assert results.failed == 0
    assert results.attempted > 20


def test_its_table_of_lengths_is_that_of_the_engine() -> None:
    row = r"\| (\d+) % \| (\d+) % \| ([\d.]+) \| ([\d.]+) \|"
    rows = [tuple(map(float, found)) for found in re.findall(row, DOCUMENT.read_text())]
    assert len(rows) == 4
    for alpha, power, horizon, mean in rows:
        level, wanted = alpha / 100, power / 100
        assert inflation_ratio(wanted, level) == pytest.approx(horizon, abs=0.0051)
        length = inflation_ratio(wanted, level) * crossing(drift_for(wanted, level), level).mean_ratio
        assert length == pytest.approx(mean, abs=0.0051)


def test_its_arithmetic_by_hand_is_right() -> None:
    text = DOCUMENT.read_text()
    error = sqrt((276 / 2002 * 1726 / 2002 + 201 / 2002 * 1801 / 2002) / 2000)
    progress = 4_000 / 3_007 * (-2 * log(0.05) + log(-2 * log(0.05)) + 1)
    z = sqrt((1 + 1 / progress) * (log(1 + progress) - 2 * log(0.05)))
    for figure in (f"= {error:.6f}", f"= {progress:.3f}", f"= {z:.3f}", f"= {0.0375 - z * error:.4f}"):
        assert figure in text
    ordinary = sqrt((0.1375 * 0.8625 + 0.1 * 0.9) / 2000) * 1.96
    assert f"(here {0.0375 - ordinary:.4f} to {0.0375 + ordinary:.4f})" in text
    size = (1.960 * sqrt(2 * 0.115 * 0.885) + 0.842 * sqrt(0.10 * 0.90 + 0.13 * 0.87)) ** 2 / 0.03**2
    assert f"= {size:.0f}" in text


def test_its_release_file_part_is_valid() -> None:
    (part,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert Scaling.model_validate(yaml.safe_load(part)).window == 600_000
