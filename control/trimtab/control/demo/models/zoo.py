"""The models of the demo: real ones, trained in a second on scikit-learn's handwritten digits, with fixed seeds.

The last 897 of the 1,797 images are kept from all of them: visitors send those.
"""

from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from trimtab.control.demo.models.acts import CORRUPTED, FAST, FIXED, FRESH

TRAINING: Final = 900
CLASSES: Final = 10
_SEED: Final = 7
_TREES: Final = 20
_CORRUPTED_RATIO: Final = 0.75
"""The share of labels that are drawn by lot, as if rows of two files had been mixed up."""

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Digits(NamedTuple):
    """Images of 8 by 8 pixels, from 0 to 1, and which digit each one is."""

    images: Floats
    """shape (n, 64)"""
    truth: Whole
    """shape (n,)"""


class Model(Protocol):
    """What answers: a classifier of scikit-learn."""

    def predict_proba(self, images: Floats) -> Floats:
        """Gives the probability of each digit, shape (n, 10), for images of shape (n, 64)."""


def digits() -> tuple[Digits, Digits]:
    """Gives the images to train on, and those that no model has seen; the same ones every time."""
    images, truth = load_digits(return_X_y=True)
    order = np.random.default_rng(_SEED).permutation(len(truth))
    images, truth = images[order] / images.max(), truth[order].astype(np.int64)
    return Digits(images[:TRAINING], truth[:TRAINING]), Digits(images[TRAINING:], truth[TRAINING:])


def train(name: str) -> Model:
    """Gives the model of that name, trained. Raises `KeyError` for a name that no model has."""
    seen, _ = digits()
    makers = {
        FAST: (GaussianNB(var_smoothing=1e-2), seen.truth),
        CORRUPTED: (ExtraTreesClassifier(_TREES, random_state=_SEED), _mixed_up(seen.truth)),
        FIXED: (ExtraTreesClassifier(_TREES, random_state=_SEED), seen.truth),
        FRESH: (KNeighborsClassifier(5), seen.truth),
    }
    model, truth = makers[name]
    trained: Model = model.fit(seen.images, truth)
    return trained


def _mixed_up(truth: Whole) -> Whole:
    generator = np.random.default_rng(_SEED)
    lots = generator.integers(0, CLASSES, len(truth))
    return np.where(generator.random(len(truth)) < _CORRUPTED_RATIO, lots, truth)
