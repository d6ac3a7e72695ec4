"""What people see of a guardrail: the value in its window, beside what its test says."""

import pytest

from engine.windows import window
from trimtab.engine.metric import MISSING, Value
from trimtab.engine.sequential.conclusion import Conclusion
from trimtab.engine.shown import Face, ShareFace, acts, breach
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.guardrail import ErrorRateGuardrail, LatencyGuardrail, MetricGuardrail, OutcomeGuardrail

ERRORS = ErrorRateGuardrail.model_validate(
    {"metric": "error_rate", "max": 0.05, "maxRatio": 1.5, "window": "1m", "onFail": "pause"}
)
OUTCOME = OutcomeGuardrail(metric="outcome", name="paid", max=3.0, min=2.0, severity="signal", on_fail="hold")
METRIC = MetricGuardrail(metric="metric", name="share", max=0.4, min=0.1)
PASSES = Conclusion(Verdict.PASS, "kept", value=1.25, limit=1.5, ln_evidence=-0.5, threshold=4.5, n=300)
FAILS = Conclusion(Verdict.FAIL, "broken", value=2.5, limit=1.5, ln_evidence=5.5, threshold=4.5, n=300)
SILENT = (Verdict.INCONCLUSIVE, "nothing has come for 10 s")


def of_share(face: ShareFace, seen: ArmWindow, verdict: Verdict = Verdict.PASS) -> Assessment:
    return face.of_share("canary", (verdict, "because", -0.5, 4.5, 300), seen)


def test_a_bound_on_a_share_shows_its_window_beside_the_evidence_since_the_test_began() -> None:
    face = ShareFace(ERRORS, "max")
    assert of_share(face, window(responses=8, errors=2, client_errors=3)) == Assessment(
        guardrail="error_rate over 1m", bound="max", variant="canary", verdict=Verdict.PASS, reason="because",
        value=0.25, limit=0.05, n=8, breaches=2, allowed_ratio=0.05, ln_evidence=-0.5, threshold=4.5, samples=300,
        severity="critical", on_fail="pause", window_s=60,
    )  # fmt: skip


def test_a_bound_on_latency_shows_the_quantile_and_how_many_were_slower() -> None:
    face = ShareFace(LatencyGuardrail(metric="latency_p90_ms", max=50), "max")
    shown = of_share(face, window(durations_ms=[10.0] * 7 + [60.0] * 3))
    assert (shown.value, shown.limit) == (pytest.approx(60, rel=0.01), 50.0)
    assert (shown.n, shown.breaches, shown.allowed_ratio) == (10, 3, 0.1)


def test_a_share_of_nothing_has_no_value() -> None:
    assert of_share(ShareFace(ERRORS, "max"), window()).value is None


@pytest.mark.parametrize(
    ("verdict", "responses", "expected"),
    [
        (Verdict.PASS, 0, (Verdict.INCONCLUSIVE, "nothing has come for 60 s")),
        (Verdict.PASS, 1, (Verdict.PASS, "because")),
        (Verdict.FAIL, 0, (Verdict.FAIL, "because")),
        (Verdict.INCONCLUSIVE, 0, (Verdict.INCONCLUSIVE, "because")),
    ],
)
def test_a_share_passes_only_while_responses_come(
    verdict: Verdict, responses: int, expected: tuple[Verdict, str]
) -> None:
    shown = of_share(ShareFace(ERRORS, "max"), window(responses=responses), verdict)
    assert (shown.verdict, shown.reason) == expected


def test_a_relative_bound_shows_what_its_test_has_seen() -> None:
    assert Face(ERRORS, "maxRatio").assessment("canary", PASSES, window(responses=8, errors=2)) == Assessment(
        guardrail="error_rate over 1m", bound="maxRatio", variant="canary", verdict=Verdict.PASS, reason="kept",
        value=1.25, limit=1.5, n=300, breaches=0, allowed_ratio=0.0, ln_evidence=-0.5, threshold=4.5, samples=300,
        severity="critical", on_fail="pause", window_s=60,
    )  # fmt: skip


@pytest.mark.parametrize(("bound", "limit"), [("max", 3.0), ("min", 2.0)])
def test_an_absolute_bound_on_an_outcome_shows_the_mean_in_the_window(bound: str, limit: float) -> None:
    shown = Face(OUTCOME, bound).assessment("canary", PASSES, window(values={"paid": [2.0, 2.5]}))
    assert (shown.value, shown.limit, shown.n) == (2.25, limit, 300)
    assert (shown.severity, shown.on_fail, shown.window_s) == ("signal", "hold", 10)


@pytest.mark.parametrize(("bound", "limit"), [("max", 0.4), ("min", 0.1)])
def test_an_absolute_bound_on_a_metric_shows_what_was_measured(bound: str, limit: float) -> None:
    shown = Face(METRIC, bound).assessment("canary", PASSES, window(responses=1), measured=0.25)
    assert (shown.value, shown.limit) == (0.25, limit)


def test_what_has_not_come_has_no_value() -> None:
    assert Face(OUTCOME, "min").assessment("canary", PASSES, window(responses=9)).value is None
    assert Face(METRIC, "max").assessment("canary", PASSES, window(responses=9)).value is None


@pytest.mark.parametrize(
    ("face", "seen", "measured"),
    [
        (Face(ERRORS, "maxRatio"), window(responses=1), MISSING),
        (Face(OUTCOME, "min"), window(values={"paid": [1.0]}), MISSING),
        (Face(METRIC, "max"), window(responses=1), 0.0),
    ],
    ids=["error rate", "outcome", "metric"],
)
def test_what_is_bounded_passes_as_soon_as_it_is_seen_once(face: Face, seen: ArmWindow, measured: Value) -> None:
    shown = face.assessment("canary", PASSES, seen, measured=measured)
    assert (shown.verdict, shown.reason) == (Verdict.PASS, "kept")


@pytest.mark.parametrize(
    ("face", "seen", "measured"),
    [
        (Face(LatencyGuardrail(metric="latency_p99_ms", max_ratio=2), "maxRatio"), window(requests=9), MISSING),
        (Face(OUTCOME, "min"), window(responses=9, values={"other": [1.0]}), MISSING),
        (Face(METRIC, "max"), window(responses=9), MISSING),
        (Face(METRIC, "max"), window(requests=9), 0.0),
    ],
    ids=["no response", "no value", "no measurement", "no response to measure"],
)
def test_what_is_bounded_passes_no_more_once_it_is_missing(face: Face, seen: ArmWindow, measured: Value) -> None:
    shown = face.assessment("canary", PASSES, seen, measured=measured)
    assert (shown.verdict, shown.reason) == SILENT
    assert face.assessment("canary", FAILS, seen, measured=measured).reason == "broken"


def test_something_has_to_be_done_about_a_failure_that_is_no_signal() -> None:
    face, seen = Face(ERRORS, "maxRatio"), window(responses=1)
    assert acts(face.assessment("canary", FAILS, seen))
    assert not acts(face.assessment("canary", PASSES, seen))
    assert not acts(Face(OUTCOME, "max").assessment("canary", FAILS, seen))


def test_a_breach_of_a_share_counts_responses_in_words() -> None:
    failed = of_share(ShareFace(ERRORS, "max"), window(responses=8, errors=2), Verdict.FAIL)
    assert breach(failed) == (
        "error_rate over 1m is 0.25 against max 0.05 (2 of 8 responses breach, 0.05 allowed, ln E -0.50 >= 4.50"
        " after 300)"
    )


def test_a_breach_of_anything_else_tells_of_the_evidence_alone() -> None:
    failed = Face(ERRORS, "maxRatio").assessment("canary", FAILS, window(responses=8))
    assert breach(failed) == "error_rate over 1m is 2.5 against maxRatio 1.5 (ln E 5.50 >= 4.50 after 300)"
    unseen = Face(OUTCOME, "min").assessment("canary", FAILS, window())
    assert breach(unseen) == "outcome paid over 10s is nothing against min 2 (ln E 5.50 >= 4.50 after 300)"
