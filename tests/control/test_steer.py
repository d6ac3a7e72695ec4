"""Orders reach the release, their outcome is told, and what cannot be followed is refused with its reason."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from integration.worker_rig import WorkerRig
from trimtab.schemas.decision import Phase
from trimtab.streams.embedded import EmbeddedKafka

pytestmark = [pytest.mark.integration, pytest.mark.long]


def trimtab(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.control.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        for name in ("checkout", "search", "cart"):
            rig.apply(name)
            rig.await_counted(0, name)
        yield rig


def order(rig: WorkerRig, *words: str) -> "subprocess.CompletedProcess[str]":
    return trimtab(*words, "--kafka", rig.kafka)


def phase(rig: WorkerRig, name: str = "checkout") -> Phase:
    decision = rig.decision(name)
    assert decision is not None
    return decision.phase


def test_a_release_is_held_let_go_and_given_weights(rig: WorkerRig) -> None:
    for words, said in (
        (["pause", "checkout", "--reason", "lunch"], "checkout 2 paused v1=10000 v2=0: pause by "),
        (["resume", "checkout"], " progressing v1=10000 v2=0: resume by "),
        (
            ["set-weights", "checkout", "v1=62.5%", "v2=3750", "--reason", "a look"],
            " paused v1=6250 v2=3750: set-weights",
        ),
        (["freeze", "checkout", "--reason", "an incident"], " frozen v1=6250 v2=3750: freeze by "),
        (["promote", "checkout", "--variant", "v2"], " promoted v1=0 v2=10000: promote by "),
    ):
        done = order(rig, *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert said.removeprefix("checkout 2") in done.stdout
    assert phase(rig) is Phase.PROMOTED
    done = order(rig, "retry", "checkout", "--reason", "another look")
    assert (done.returncode, done.stderr) == (0, "")
    assert " progressing " in done.stdout


def test_an_abort_gives_all_traffic_back_and_ends_the_release(rig: WorkerRig) -> None:
    done = order(rig, "abort", "search", "--reason", "wrong totals")
    assert (done.returncode, done.stderr) == (0, "")
    assert "rolled_back v1=10000 v2=0: abort by " in done.stdout
    assert "wrong totals" in done.stdout
    again = order(rig, "abort", "search", "--reason", "to be sure")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "trimtab: abort: release search: the release is over (rolled_back)\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "cart", "--variant", "v9"], "promote: release cart: no variant 'v9', expected one of v1, v2"),
        (["set-weights", "cart", "v1=9000", "--reason", "x"], "sum to 9000 bp, expected 10000"),
        (["set-weights", "cart", "v9=10000", "--reason", "x"], "no variant 'v9'"),
        (["pause", "ghost"], "ghost"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_its_reason(rig: WorkerRig, words: list[str], said: str) -> None:
    done = order(rig, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert phase(rig, "cart") is Phase.PROGRESSING


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["abort", "cart"], "--reason: expected why"),
        (["freeze", "cart", "--reason", "  "], "--reason: expected why"),
        (["set-weights", "cart", "v1", "--reason", "x"], "'v1': expected VARIANT=BASIS-POINTS or VARIANT=PERCENT%"),
        (["set-weights", "cart", "v1=5%", "v1=6%", "--reason", "x"], "v1: stands twice"),
        (["pause", "Cart"], "release 'Cart': expected lower-case letters"),
    ],
)
def test_wrong_usage_is_told_and_nothing_sent(words: list[str], said: str) -> None:
    done = trimtab(*words, "--kafka", "127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_an_order_that_no_worker_takes_says_that_it_stands(kafka: EmbeddedKafka) -> None:
    done = trimtab("pause", "checkout", "--kafka", kafka.bootstrap, "--wait", "1")
    assert done.returncode == 3
    assert "no topic" in done.stderr or "it stands in trimtab.evidence" in done.stderr


def test_a_kafka_that_is_away_is_told() -> None:
    done = trimtab("pause", "checkout", "--kafka", "127.0.0.1:1", "--wait", "1")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
