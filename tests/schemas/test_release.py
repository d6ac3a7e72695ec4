import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.release_text import FULL
from trimtab.schemas.guardrail import ErrorRateGuardrail, LatencyGuardrail
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.limits import Limits, Variant
from trimtab.schemas.part import WINDOWS_MS, duration_ms, duration_text
from trimtab.schemas.release import Metadata, Objective, Release, Route, Spec, parse_document
from trimtab.schemas.release_file import dump, load
from trimtab.schemas.strategy import Bandit, Canary

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
DURATIONS_MS = st.integers(1, 8_760 * 3_600_000)
RAIL = {
    "window": st.sampled_from(WINDOWS_MS).map(duration_text),
    "min_samples": st.integers(1, 10_000),
    "confidence": st.floats(0.5, 1, exclude_min=True, exclude_max=True),
}
RAILS = st.tuples(
    st.builds(
        ErrorRateGuardrail,
        metric=st.just("error_rate"),
        max=st.floats(0, 1, exclude_min=True, exclude_max=True),
        **RAIL,
    ),
    st.builds(
        LatencyGuardrail,
        metric=st.sampled_from(["latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms"]),
        max=st.floats(0, 1e6, exclude_min=True),
        **RAIL,
    ),
)
STEPS = st.sets(st.integers(1, BASIS_POINTS), min_size=1, max_size=5).map(sorted).map(tuple)
STRATEGIES = st.one_of(
    st.builds(Canary, type=st.just("canary"), steps=STEPS, hold=DURATIONS_MS.map(duration_text)),
    st.builds(Bandit, type=st.just("bandit"), interval=DURATIONS_MS.map(duration_text)),
)


@st.composite
def releases(draw: st.DrawFn) -> Release:
    variants = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    goal = draw(st.sampled_from(["maximize", "minimize"]))
    spec = Spec(
        route=Route(prefix="/" + draw(st.text(max_size=5))),
        baseline=draw(st.sampled_from(variants)),
        variants=tuple(Variant(name=name) for name in variants),
        objective=Objective(metric=draw(st.text(min_size=1, max_size=5)), goal=goal),
        guardrails=draw(RAILS)[: draw(st.integers(0, 2))],
        limits=Limits(min_weight=draw(st.integers(0, 2_000)), max_step=draw(st.integers(1, BASIS_POINTS))),
        strategy=draw(STRATEGIES),
    )  # fmt: skip
    labels = draw(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2))
    metadata = Metadata(name=draw(NAMES), labels=labels)
    return Release(api_version="trimtab.dev/v1", kind="Release", metadata=metadata, spec=spec)


@given(releases())
def test_a_document_is_read_back_as_it_was(release: Release) -> None:
    assert parse_document(release.document()) == release


@given(releases())
def test_a_file_is_read_back_as_it_was(release: Release) -> None:
    assert load(dump(release), "f.yaml") == [release]


@given(st.integers(0, 8_760 * 3_600_000))
def test_a_duration_is_read_back_from_its_text(value_ms: int) -> None:
    assert duration_ms(duration_text(value_ms)) == value_ms


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [("500ms", 500), ("10s", 10_000), ("1.5s", 1_500), ("5m", 300_000), ("1h", 3_600_000), (" 10s ", 10_000),
     (10, 10_000), (0.25, 250), ("0ms", 0), ("8760h", 31_536_000_000)],
)  # fmt: skip
def test_durations_are_texts_with_a_unit_or_seconds(value: object, expected_ms: int) -> None:
    assert duration_ms(value) == expected_ms


@pytest.mark.parametrize(
    "value",
    ["", "10", "s", "10S", "-1s", "1e3s", "10s 5ms", "1,5s", None, True, [], {}, b"10s", float("nan"), float("inf"),
     float("-inf"), 10**400, "8761h", 1e300],
)  # fmt: skip
def test_other_durations_are_refused(value: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        duration_ms(value)


@pytest.mark.parametrize(
    ("value_ms", "text"), [(0, "0ms"), (999, "999ms"), (1_000, "1s"), (90_000, "90s"), (60_000, "1m")]
)
def test_the_shortest_text_of_a_duration_is_chosen(value_ms: int, text: str) -> None:
    assert duration_text(value_ms) == text


def test_a_latency_guardrail_names_its_quantile() -> None:
    [release] = load(FULL, "f.yaml")
    rail = release.spec.guardrails[1]
    assert isinstance(rail, LatencyGuardrail)
    assert rail.quantile == 0.99


def test_a_release_cannot_be_changed() -> None:
    [release] = load(FULL, "f.yaml")
    with pytest.raises(ValidationError, match="frozen"):
        release.spec.baseline = "v2"  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize("document", [b"", b"{}", b"null", b"[]", b"\xff", b"not json"])
def test_other_documents_are_refused(document: bytes) -> None:
    with pytest.raises(ValidationError):
        parse_document(document)
