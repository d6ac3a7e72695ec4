from control.demo.builders import BASELINE_ALONE, EVEN_STEP, decision
from trimtab.control.demo.chronicle import Chronicle
from trimtab.control.demo.lines import Lines
from trimtab.schemas.decision import Decision, Phase


def written(*seen: tuple[float, Decision]) -> list[str]:
    """Gives the lines for decisions that were seen at these instants, with a look at each of them."""
    chronicle, told = Chronicle(), list[str]()
    lines = Lines(chronicle, told.append)
    lines.update(0.0)
    for at_s, one in seen:
        chronicle.add(one, at_s)
        lines.update(at_s)
    return told


def test_nothing_is_written_before_the_first_decision() -> None:
    assert written() == []


def test_a_line_tells_time_phase_step_weights_and_rule() -> None:
    (line,) = written((3.25, decision(EVEN_STEP, step=1, rule="on the way")))
    assert line == "   3.2 s  progressing step 2/3  v1 95.00 %  v2 2.50 %  v3 2.50 %  on the way"


def test_small_moves_are_kept_to_oneself() -> None:
    nudged = {"v1": 9_100, "v2": 500, "v3": 400}
    assert len(written((0.0, decision(EVEN_STEP)), (5.0, decision(nudged, revision=2)))) == 1


def test_small_moves_add_up_to_a_line() -> None:
    moves = [
        (float(n), decision({"v1": 9_500 - 200 * n, "v2": 250 + 200 * n, "v3": 250}, revision=n + 1)) for n in range(4)
    ]
    assert len(written(*moves)) == 2


def test_at_most_one_line_a_second() -> None:
    over = decision(BASELINE_ALONE, revision=2, phase=Phase.ROLLED_BACK)
    assert len(written((0.0, decision(EVEN_STEP)), (0.5, over))) == 1


def test_what_was_held_back_is_written_a_second_later() -> None:
    over = decision(BASELINE_ALONE, revision=2, phase=Phase.ROLLED_BACK)
    lines = written((0.0, decision(EVEN_STEP)), (0.5, over), (1.0, over))
    assert lines[1].startswith("   1.0 s  rolled back  v1 100.00 %")


def test_an_exclusion_is_news_even_if_no_weight_moves() -> None:
    excluded = decision(EVEN_STEP, revision=2, out={"v2": "errors"})
    assert len(written((0.0, decision(EVEN_STEP)), (2.0, excluded))) == 2
