"""Policies of every kind, and batches for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from pydantic import TypeAdapter

from trimtab.engine.policy.build import Factories, policy_of
from trimtab.engine.policy.guest import Parameters
from trimtab.engine.policy.hedge import Hedge
from trimtab.engine.policy.policy import Batch, Policy
from trimtab.engine.policy.thompson import Thompson
from trimtab.schemas.policy import PolicySpec

ADAPTER: Final[TypeAdapter[PolicySpec]] = TypeAdapter(PolicySpec)

PAGE_HINKLEY: Final = {"detector": "pageHinkley", "threshold": 3.0, "minTrials": 20}
ADWIN: Final = {"detector": "adwin", "delta": 0.3, "keep": 0.2, "minTrials": 20}


def river(name: str, **parameters: float) -> dict[str, object]:
    return {"type": "river", "policy": name, "parameters": parameters, "pulls": 50, "maxUpdates": 200}


SPECS: Final[Mapping[str, dict[str, Any]]] = {
    "adaptive": {"type": "adaptive"},
    "thompson": {"type": "thompson"},
    "thompson watched": {"type": "thompson", "drift": PAGE_HINKLEY},
    "discounted": {"type": "discounted", "memory": 2_000},
    "sliding": {"type": "sliding", "batches": 3},
    "sliding watched": {"type": "sliding", "drift": PAGE_HINKLEY},
    "klUcb": {"type": "klUcb"},
    "ucb": {"type": "ucb"},
    "ucb watched": {"type": "ucb", "drift": ADWIN},
    "epsilonGreedy": {"type": "epsilonGreedy"},
    "exp3": {"type": "exp3"},
    "topTwo": {"type": "topTwo"},
    "uniform": {"type": "uniform"},
    "mixture": {
        "type": "mixture",
        "members": [{"policy": {"type": "exp3"}}, {"weight": 2, "policy": river("ThompsonSampling")}],
    },
    "real mixture": {"type": "mixture", "members": [{"policy": {"type": "thompson"}}, {"policy": {"type": "ucb"}}]},
    "river BayesUCB": river("BayesUCB"),
    "river EpsilonGreedy": river("EpsilonGreedy", epsilon=0.2, decay=0.001),
    "river Exp3": river("Exp3", gamma=0.2),
    "river RandomPolicy": river("RandomPolicy"),
    "river ThompsonSampling": river("ThompsonSampling", burn_in=3),
    "river UCB": river("UCB", delta=1),
    "entryPoint": {"type": "entryPoint", "name": "mine", "parameters": {"x": 1}},
    "segmented": {"type": "segmented"},
    "segmented watched": {"type": "segmented", "drift": ADWIN},
    "linear bayesian": {"type": "linear"},
    "linear linUcb": {"type": "linear", "model": "linUcb"},
}


def mine(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:
    assert parameters == {"x": 1}
    return Thompson(len(arms), real_valued=real_valued)


FEATURES: Final = {"mobile": {"screen": 0.3}}
FACTORIES: Final[Factories] = {"mine": mine}


def spec(name: str) -> PolicySpec:
    return ADAPTER.validate_python(SPECS[name])


HEDGE: Final = "hedge"
"""The policy of ensembles, which no release file names."""
BOUNDED: Final = tuple(SPECS)
REAL: Final = tuple(name for name in SPECS if not spec(name).bounded_only)


def build(name: str, arms: int, *, real_valued: bool = False) -> Policy:
    if name == HEDGE:
        return Hedge(arms, memory=2_000)
    names = [f"v{arm}" for arm in range(arms)]
    return policy_of(spec(name), names, real_valued=real_valued, factories=FACTORIES, features=FEATURES)


def batch(counts: Sequence[tuple[float, float]], shares: Sequence[float] | None = None) -> Batch:
    """Gives a batch of rewards that are 0 or 1, by (trials, ones)."""
    trials, ones = [n for n, _ in counts], [x for _, x in counts]
    return Batch(trials, ones, ones, shares or [1 / len(counts)] * len(counts))


def drawn(rng: np.random.Generator, share_of_ones: Sequence[float], shares: Sequence[float], size: int) -> Batch:
    """Gives a batch of Bernoulli rewards, as traffic routed by `shares` brings it."""
    trials = rng.multinomial(size, np.array(shares) / sum(shares))
    ones = rng.binomial(trials, share_of_ones)
    return batch(list(zip(trials.tolist(), ones.tolist(), strict=True)), list(shares))


def drawn_values(rng: np.random.Generator, means: Sequence[float], shares: Sequence[float], size: int) -> Batch:
    """Gives a batch of normal rewards with deviation 10."""
    trials = rng.multinomial(size, np.array(shares) / sum(shares))
    values = [rng.normal(mean, 10.0, n) for mean, n in zip(means, trials, strict=True)]
    sums, squares = [float(each.sum()) for each in values], [float((each * each).sum()) for each in values]
    return Batch(trials.tolist(), sums, squares, list(shares))


def through_json(snapshot: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(snapshot))
    return back


def through_msgpack(snapshot: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(snapshot))
    return back
