"""Spans as a collector gets them, and the numbers that they go by."""

import pytest
from pydantic import ValidationError

from integration.collector import Collector
from trimtab.schemas.trace_context import TraceContext, context_of, parsed
from trimtab.schemas.tracing import Tracing, TracingSettings, open_tracing, traced

REQUEST = TraceContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nx: y",
        "é",
    ],
    ids=["empty", "not-sampled", "no-trace", "no-span", "version", "upper-case", "more-of-it", "not-ascii"],
)
def test_what_names_no_trace_is_passed_over(value: str) -> None:
    assert parsed(value) is None


def test_a_trace_of_a_header_is_that_of_the_header() -> None:
    assert parsed(REQUEST.header) == parsed(REQUEST.header.decode()) == REQUEST
    assert traced([("ce_id", b"1"), ("traceparent", REQUEST.header), ("traceparent", None)]) == [REQUEST.header]
    assert traced(None) == []


def test_spans_reach_the_collector_with_their_links_and_parents() -> None:
    with Collector() as collector:
        tracing = Tracing(TracingSettings(endpoint=collector.url), "a-test")
        own = context_of("checkout", (7, 42))
        assert tracing.span("root", start_ms=1_000, end_ms=2_500, own=own, links=[REQUEST] * 99) == own
        says: dict[str, str | int | float | bool] = {"revision": 42, "ratio": 0.5, "is": True, "rule": "é"}
        child = tracing.span("child", start_ms=2_500, end_ms=2_000, parent=own, attributes=says)
        tracing.close()
    root, under = collector.spans
    assert (root.service, root.at, root.parent, root.links) == ("a-test", own, 0, [REQUEST] * 16)
    assert (root.start_ns, root.end_ns) == (1_000_000_000, 2_500_000_000)
    assert (under.at, under.at.trace_id, under.parent) == (child, own.trace_id, own.span_id)
    assert under.end_ns == under.start_ns, "a clock that went back"
    assert under.attributes == says


def test_what_nobody_takes_is_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with Collector() as collector:
        collector.status = 503
        tracing = Tracing(TracingSettings(endpoint=collector.url), "a-test")
        tracing.span("one", start_ms=1, end_ms=2)
        tracing.close()
    assert tracing.dropped == 1
    assert [record.message for record in caplog.records if record.name == "trimtab.tracing"] == [
        f"spans_untaken endpoint={collector.url} error=HTTP Error 503: Service Unavailable"
    ]


def test_a_collector_that_is_away_holds_up_nobody_and_takes_no_memory() -> None:
    tracing = Tracing(TracingSettings(endpoint="http://127.0.0.1:1/v1/traces"), "a-test")
    for _ in range(10_000):
        tracing.span("one", start_ms=1, end_ms=2)
    assert len(tracing._waiting) <= 4_096
    tracing.close()
    assert tracing.dropped == 10_000


def test_a_share_of_traces_is_the_same_one_in_every_program() -> None:
    with Collector() as collector:
        settings = TracingSettings(endpoint=collector.url, sample_ratio=0.5)
        programs = [Tracing(settings, name) for name in ("one", "other")]
        contexts = [context_of("checkout", (7, revision)) for revision in range(200)]
        kept = [
            [one for one in contexts if program.span("decide", start_ms=1, end_ms=2, own=one)] for program in programs
        ]
        for program in programs:
            program.close()
        assert kept[0] == kept[1]
        assert 60 < len(kept[0]) < 140
        assert len(collector.spans) == 2 * len(kept[0])


def test_without_an_address_nothing_is_made() -> None:
    assert open_tracing(TracingSettings(), "a-test") is None
    with pytest.raises(ValidationError, match="expected a URL that begins with http"):
        TracingSettings(endpoint="collector:4318")
    with pytest.raises(ValidationError, match="greater than 0"):
        TracingSettings(endpoint="http://collector:4318/v1/traces", sample_ratio=0)
