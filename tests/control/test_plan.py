"""`trimtab plan`: what it takes for an A/B test, from a file or without one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from trimtab.control.cli import app
from trimtab.control.plan import duration_words, even, of_release
from trimtab.engine.experiment.planning import Analysis, Demand, MeanEffect, ShareEffect, plan
from trimtab.schemas.release import Release

ROOT = Path(__file__).parents[2]
SHARE = ("--baseline", "0.04", "--difference", "0.005")
AB_TEST = {"type": "abTest", "split": {"v1": 2_000, "v2": 5_000, "v3": 3_000}, "alpha": 0.01}


def trimtab(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["plan", *map(str, arguments)])


def document(strategy: dict[str, Any], **more: Any) -> dict[str, Any]:
    names = [{"name": name} for name in ("v1", "v2", "v3")]
    spec = {"baseline": "v2", "variants": names, "strategy": strategy, **more}
    return {"apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": "checkout"}, "spec": spec}


def release_file(folder: Path, *documents: dict[str, Any]) -> Path:
    path = folder / "release.yaml"
    path.write_text(yaml.safe_dump_all(documents))
    return path


def plain(*arguments: str | Path) -> dict[str, Any]:
    done = trimtab(*arguments, "-o", "json")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def trials(told: dict[str, Any]) -> list[int]:
    return [variant["trials"] for variant in told["variants"]]


def test_it_tells_programs_what_the_engine_plans() -> None:
    expected = plan(ShareEffect(0.04, 0.005), Demand(), trials_per_s=200.0)
    one, other = expected.trials_by_arm
    assert plain(*SHARE, "--per-second", "200") == {
        "release": None,
        "analysis": "any_time",
        "alpha": 0.05,
        "alpha_each": 0.05,
        "power": 0.8,
        "difference": 0.005,
        "variants": [
            {"variant": "baseline", "share": 0.5, "trials": one},
            {"variant": "candidate", "share": 0.5, "trials": other},
        ],
        "trials": one + other,
        "mean_trials": expected.mean_trials,
        "fixed_trials": expected.fixed_trials,
        "planned_trials": expected.planned_trials,
        "per_second": 200.0,
        "seconds": expected.seconds,
    }


def test_without_traffic_it_tells_no_time() -> None:
    told = plain(*SHARE)
    assert (told["per_second"], told["seconds"]) == (None, None)
    assert " a second" not in trimtab(*SHARE).stdout


def test_one_look_needs_less_and_has_no_planned_trials() -> None:
    told = plain(*SHARE, "--fixed")
    expected = plan(ShareEffect(0.04, 0.005), Demand(analysis=Analysis.FIXED), trials_per_s=1.0)
    assert (told["analysis"], trials(told)) == ("fixed", list(expected.trials_by_arm))
    assert told["planned_trials"] is None
    assert "plannedTrials" not in trimtab(*SHARE, "--fixed").stdout


def test_variants_power_and_alpha_are_those_that_are_given() -> None:
    told = plain("--variants", "3", "--power", "0.9", "--alpha", "0.1", *SHARE)
    expected = plan(ShareEffect(0.04, 0.005), Demand((1 / 3,) * 3, alpha=0.1, power=0.9), trials_per_s=1.0)
    assert trials(told) == list(expected.trials_by_arm)
    assert [variant["variant"] for variant in told["variants"]] == ["baseline", "candidate-1", "candidate-2"]


@pytest.mark.parametrize(("relative", "ratio"), [("5%", 0.05), ("-10 %", -0.1), ("+2.5%", 0.025)])
def test_a_relative_difference_is_a_part_of_the_baselines_share(relative: str, ratio: float) -> None:
    told = plain("--baseline", "0.04", "--relative", relative)
    expected = plan(ShareEffect.relative(0.04, ratio), Demand(), trials_per_s=1.0)
    assert trials(told) == list(expected.trials_by_arm)


def test_a_real_value_is_planned_by_its_standard_deviation() -> None:
    told = plain("--deviation", "12.5", "--difference", "-0.5")
    assert trials(told) == list(plan(MeanEffect(12.5, -0.5), Demand(), trials_per_s=1.0).trials_by_arm)
    assert "a difference of -0.5 in means" in trimtab("--deviation", "12.5", "--difference", "-0.5").stdout


def test_split_and_alpha_come_from_the_file_the_baseline_first(tmp_path: Path) -> None:
    told = plain("-f", release_file(tmp_path, document(AB_TEST)), *SHARE)
    demand = Demand((0.5, 0.2, 0.3), alpha=0.01)
    assert (told["release"], told["alpha"], told["alpha_each"]) == ("checkout", 0.01, 0.005)
    assert [variant["variant"] for variant in told["variants"]] == ["v2", "v1", "v3"]
    assert trials(told) == list(plan(ShareEffect(0.04, 0.005), demand, trials_per_s=1.0).trials_by_arm)


def test_alpha_of_the_command_goes_before_that_of_the_file(tmp_path: Path) -> None:
    assert plain("-f", release_file(tmp_path, document(AB_TEST)), "--alpha", "0.2", *SHARE)["alpha"] == 0.2


def test_the_test_that_follows_a_shadow_is_planned() -> None:
    shadow = {"type": "shadow", "then": AB_TEST}
    assert of_release(Release.model_validate(document(shadow))).alpha == 0.01


def test_a_file_without_split_and_alpha_is_as_no_file_is() -> None:
    found = of_release(Release.model_validate(document({"type": "abTest"})))
    assert (list(found.split.values()), found.alpha) == (list(even(3).split.values()), even(3).alpha)


def test_a_file_that_ends_too_early_is_told_beside_the_plan(tmp_path: Path) -> None:
    file = release_file(tmp_path, document({**AB_TEST, "duration": "1h"}))
    done = trimtab("-f", file, *SHARE, "--per-second", "1")
    assert done.exit_code == 0
    assert done.stderr == (
        "warning: release checkout: its duration is over after 1 h, before the difference is sure enough to be found\n"
    )
    assert trimtab("-f", file, *SHARE, "--per-second", "1000").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "expected --baseline, of a share, or --deviation, of a real value: one of both"),
        (("--baseline", "0.1", "--deviation", "2"), "expected --baseline, of a share, or --deviation"),
        (("--baseline", "0.1"), "--baseline: expected --difference or --relative with it: one of both"),
        (("--relative", "5%", *SHARE), "--baseline: expected --difference or --relative with it: one of both"),
        (("--baseline", "4", "--difference", "1"), "--baseline: expected a share between 0 and 1, got 4"),
        (("--baseline", "nan", "--difference", "1"), "--baseline: expected a share between 0 and 1, got nan"),
        (
            ("--baseline", "0.9", "--difference", "0.2"),
            "--difference 0.2: expected one that leads from 0.9 to a share between 0 and 1",
        ),
        (("--baseline", "0.9", "--difference", "nan"), "--difference nan: expected one that leads from 0.9 to"),
        (("--baseline", "0.9", "--relative", "20%"), "--relative 20%: expected one that leads from 0.9 to"),
        (("--baseline", "0.9", "--relative", "5"), "--relative: expected a percentage such as 5% or -10%, got '5'"),
        (("--baseline", "0.9", "--difference", "0"), "--difference: expected a difference of at least 1e-09, got 0"),
        (("--baseline", "0.9", "--relative", "0%"), "--relative: expected a difference of at least 1e-09, got 0"),
        (("--deviation", "2"), "--deviation: expected --difference with it, and no --relative"),
        (("--deviation", "2", "--relative", "5%"), "--deviation: expected --difference with it, and no --relative"),
        (("--deviation", "0", "--difference", "1"), "--deviation: expected from 1e-100 to 1e+100, got 0"),
        (("--deviation", "inf", "--difference", "1"), "--deviation: expected from 1e-100 to 1e+100, got inf"),
        (("--deviation", "2", "--difference", "0"), "--difference: expected from 2e-09 to 2e+09, up or down, got 0"),
        (("--deviation", "2", "--difference", "-inf"), "--difference: expected from 2e-09 to 2e+09, up or down"),
        (("--variants", "1", *SHARE), "--variants: expected from 2 to 100, got 1"),
        (("--power", "0.4", *SHARE), "--power: expected from 0.5 to 0.9999, got 0.4"),
        (("--power", "80", *SHARE), "--power: expected from 0.5 to 0.9999, got 80"),
        (("--alpha", "0", *SHARE), "--alpha: expected from 1e-09 to 0.5, got 0"),
        (("--alpha", "5", *SHARE), "--alpha: expected from 1e-09 to 0.5, got 5"),
        (("--per-second", "0", *SHARE), "--per-second: expected from 0.001 to 1e+09, got 0"),
        (("--per-second", "nan", *SHARE), "--per-second: expected from 0.001 to 1e+09, got nan"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    done = trimtab(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"trimtab: {told}")
    assert done.stderr.count("\n") == 1


OF_SECONDS = {
    "metrics": [{"name": "load", "expression": "in_flight"}],
    "objective": {"metric": "load", "values": "real"},
}


@pytest.mark.parametrize(
    ("strategy", "more", "arguments", "told"),
    [
        ({"type": "canary"}, {}, SHARE, "--file: release checkout: strategy is canary, expected abTest"),
        ({"type": "shadow"}, {}, SHARE, "--file: release checkout: strategy is shadow, expected abTest"),
        (
            {"type": "abTest", "split": {"v1": 0, "v2": 9_000, "v3": 1_000}}, {}, SHARE,
            "--file: release checkout: strategy.split: expected more than 0 for v1",
        ),
        (AB_TEST, {}, ("--variants", "3", *SHARE), "--variants: the file has them; expected it without --file"),
        (
            AB_TEST, {}, ("--deviation", "2", "--difference", "1"),
            "release checkout: objective.values is share, expected --baseline",
        ),
        (
            AB_TEST, {"objective": {"metric": "revenue", "values": "real"}}, SHARE,
            "release checkout: objective.values is real, expected --deviation",
        ),
        (
            AB_TEST, OF_SECONDS, ("--deviation", "2", "--difference", "1", "--per-second", "5"),
            "--per-second: release checkout: its objective is a metric of seconds, and each variant has one trial",
        ),
        ({"type": "abTest", "alpha": 1e-12}, {}, SHARE, "--alpha: expected from 1e-09 to 0.5, got 1e-12"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_in_one_line(
    strategy: dict[str, Any], more: dict[str, Any], arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    done = trimtab("-f", release_file(tmp_path, document(strategy, **more)), *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"trimtab: {told}")
    assert done.stderr.count("\n") == 1


def test_a_file_with_a_mistake_is_refused_with_its_line(tmp_path: Path) -> None:
    file = release_file(tmp_path, document({**AB_TEST, "alpha": 5}))
    done = trimtab("-f", file, *SHARE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert re.search(rf"^trimtab: {re.escape(str(file))}:\d+: spec\.strategy\.\S*alpha: ", done.stderr)


def test_a_file_of_several_releases_is_refused_with_their_names(tmp_path: Path) -> None:
    other = {**document(AB_TEST), "metadata": {"name": "cart"}}
    file = release_file(tmp_path, document(AB_TEST), other)
    done = trimtab("-f", file, *SHARE)
    assert (done.exit_code, done.stderr) == (
        2,
        f"trimtab: --file: {file} is of checkout, cart, expected one release\n",
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"), (59.5, "1 min"), (301.2, "5 min 2 s"), (3_600, "1 h"), (6_541, "1 h 50 min"),
        (100_000, "1 d 4 h"), (86_400 * 1_234, "1,234 d"),
    ],
)  # fmt: skip
def test_a_duration_is_told_in_two_units_and_never_too_short(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_the_example_of_the_documentation_is_what_it_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs" / "experiments.md").read_text()
    match = re.search(r"```sh\ntrimtab plan (.*)\n```\n\n```text\n(.*?)```", text, re.DOTALL)
    assert match is not None
    done = trimtab(*match[1].split())
    assert (done.exit_code, done.stdout, done.stderr) == (0, match[2], "")
