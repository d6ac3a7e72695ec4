import io

from rich.console import Console

from control.demo.builders import exchange, ledger
from trimtab.control.demo import DemoOptions
from trimtab.control.demo.ledger import Ledger
from trimtab.control.demo.report import report
from trimtab.control.demo.verdict import Verdict

GOOD = Verdict(succeeded=True, headline="rolled back", sentences=("Twelve of them [sic] failed.",))


def printed(verdict: Verdict, book: Ledger, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=width, color_system=None)
    console.print(report(DemoOptions(), verdict, book))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_report_starts_with_the_verdict_and_its_sentences() -> None:
    lines = printed(GOOD, ledger([exchange(1.0)]))
    assert lines[1:3] == ["✔ Verdict: rolled back  (faulty, canary)", "  Twelve of them [sic] failed."]


def test_report_marks_a_verdict_that_should_not_have_been() -> None:
    bad = Verdict(succeeded=False, headline="promoted v3", sentences=())
    assert printed(bad, ledger([]))[1].startswith("✘ Verdict: promoted v3")


def test_report_has_what_each_variant_got_over_the_run_and_at_its_end() -> None:
    book = ledger(
        [
            *(exchange(float(n), "v1", converted=n % 4 == 0) for n in range(60)),
            *(exchange(float(n), "v2", status=500, latency_ms=20.0) for n in range(20)),
        ]
    )
    rows = [line.split() for line in printed(GOOD, book) if line.strip().startswith("v")]
    assert rows == [
        ["v1", "60", "75.0%", "0", "15", "ms", "15", "ms", "15", "(25.0%)"],
        ["v2", "20", "25.0%", "20", "20", "ms", "20", "ms", "0", "(0.0%)"],
        ["v3", "0", "0.0%", "0", "-", "-", "-"],
        ["v1", "10", "100.0%", "0", "15", "ms", "15", "ms", "2", "(20.0%)"],
        ["v2", "0", "0.0%", "0", "-", "-", "-"],
        ["v3", "0", "0.0%", "0", "-", "-", "-"],
    ]
