import io

import pytest
from rich.console import Console

from control.demo.builders import BASELINE_ALONE, EVEN_STEP, decision, exchange, ledger
from trimtab.control.demo import DemoOptions, Strategy
from trimtab.control.demo.chronicle import Chronicle
from trimtab.control.demo.ledger import Ledger
from trimtab.control.demo.view import Picture
from trimtab.schemas.decision import Decision, Phase


def chronicle(*decisions: Decision) -> Chronicle:
    told = Chronicle()
    for number, one in enumerate(decisions):
        told.add(one, float(number * 10))
    return told


def drawn(
    *decisions: Decision, book: Ledger | None = None, width: int = 80, height: int = 24, strategy: str = "canary"
) -> list[str]:
    options = DemoOptions(strategy=Strategy(strategy))
    console = Console(file=io.StringIO(), record=True, width=width, height=height, color_system=None)
    console.print(Picture(options, 30.0, chronicle(*decisions), book or Ledger(), pending=3), height=height)
    return console.export_text().splitlines()


def line_of(lines: list[str], start: str) -> str:
    return next(line for line in lines if line.strip().startswith(start))


PROGRESSING = decision(EVEN_STEP, revision=1, rule="step 1: 500 bp to the candidates")
V2_OUT = decision(
    {"v1": 9_500, "v2": 0, "v3": 500}, revision=2, out={"v2": "error_rate 0.31 over 0.05"}, rule="v2 is taken out"
)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (100, 30), (200, 60)])
def test_picture_fills_the_terminal_and_no_more(width: int, height: int) -> None:
    lines = drawn(PROGRESSING, V2_OUT, width=width, height=height)
    assert len(lines) == height
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize(("width", "height"), [(40, 10), (20, 5), (80, 15)])
def test_picture_is_cut_where_the_terminal_is_too_small(width: int, height: int) -> None:
    assert max(map(len, drawn(PROGRESSING, V2_OUT, width=width, height=height))) <= width


def test_head_tells_what_is_played_and_how_long_yet() -> None:
    head = drawn(PROGRESSING)[0]
    assert "faulty · canary · 200 requests/s · seed 1" in head
    assert head.endswith("0:30 / 1:00")


def test_before_the_first_decision_the_picture_says_so() -> None:
    assert any("waiting for the first decision" in line for line in drawn())


def test_phase_and_step_are_shown() -> None:
    assert "● progressing  checkout, step 1 of 3: candidates share 5.00 %" in drawn(PROGRESSING)[2]


@pytest.mark.parametrize(("phase", "words"), [(Phase.ROLLED_BACK, "↩ rolled back"), (Phase.PROMOTED, "✔ promoted")])
def test_a_release_that_is_over_has_no_step(phase: Phase, words: str) -> None:
    line = drawn(decision(BASELINE_ALONE, phase=phase, step=2))[2]
    assert words in line
    assert "step" not in line


def test_a_bandit_has_no_step() -> None:
    assert "step" not in drawn(decision(EVEN_STEP, strategy="bandit"), strategy="bandit")[2]


def test_each_variant_has_its_weight_as_bar_and_share() -> None:
    lines = drawn(PROGRESSING)
    assert "█" * 20 in line_of(lines, "v1 baseline")
    assert "95.00 %" in line_of(lines, "v1 baseline")
    assert "2.50 %" in line_of(lines, "v2 candidate")


def test_rates_errors_and_latency_are_what_the_clients_saw() -> None:
    book = ledger(
        [
            *(exchange(25.0 + n * 0.1, "v2", status=500) for n in range(10)),
            *(exchange(28.1 + n * 0.1, "v2", latency_ms=40.0) for n in range(10)),
        ]
    )
    cells = line_of(drawn(PROGRESSING, book=book), "v2 candidate").split()
    assert cells[-6:] == ["5", "50.0", "%", "40", "ms", "0.250"]


def test_an_excluded_variant_shows_why_in_place_of_its_bar() -> None:
    line = line_of(drawn(PROGRESSING, V2_OUT), "v2 out")
    assert "✕ error_rate 0.31" in line
    assert "█" not in line


def test_newest_decision_stands_first() -> None:
    lines = drawn(PROGRESSING, V2_OUT)
    start = next(number for number, line in enumerate(lines) if "newest first" in line)
    assert lines[start + 1] == "   10.0 s  95.0   0.0   5.0   v2 is taken out"
    assert lines[start + 2].startswith("    0.0 s  95.0   2.5   2.5   step 1")


def test_a_long_rule_goes_on_below_itself() -> None:
    told = decision(EVEN_STEP, rule="guardrail: v2 excluded, error_rate over 10s is 0.4 against a limit of 0.05")
    lines = drawn(told)
    start = next(number for number, line in enumerate(lines) if "newest first" in line)
    assert lines[start + 1].endswith("guardrail: v2 excluded, error_rate over 10s is")
    assert lines[start + 2] == " " * 30 + "0.4 against a limit of 0.05"


def test_weights_over_the_run_grow_with_it() -> None:
    lines = drawn(PROGRESSING, V2_OUT)
    start = next(number for number, line in enumerate(lines) if "weights over the run" in line)
    spark = lines[start + 2].split()[1]
    assert 33 < len(spark) < 43
    assert spark.count("·") > spark.count("▁") > 5


def test_tall_terminals_get_taller_sparklines() -> None:
    lines = drawn(PROGRESSING, width=120, height=40)
    start = next(number for number, line in enumerate(lines) if "weights over the run" in line)
    assert [line.strip()[:2] for line in lines[start + 1 : start + 4]] == ["▇▇", "██", "v1"]


def test_foot_counts_all_requests() -> None:
    book = ledger([exchange(1.0), exchange(1.1, "", status=0), exchange(1.2), exchange(1.3)])
    assert "4 requests, 1 failed (25.0 %), 3 under way" in drawn(PROGRESSING, book=book)[-1]


def test_the_foot_says_where_the_console_is_and_else_how_to_end() -> None:
    def foot(address: str) -> str:
        console = Console(file=io.StringIO(), record=True, width=80, height=24, color_system=None)
        picture = Picture(DemoOptions(), 30.0, chronicle(PROGRESSING), Ledger(), 3, address)
        console.print(picture, height=24)
        return console.export_text().splitlines()[-1].rstrip()

    assert foot("").endswith("Ctrl-C ends it")
    assert foot("http://127.0.0.1:40123").endswith(" http://127.0.0.1:40123")
