"""What a label says of a prediction, as outcomes of its request.

Of a class: `correct` (1 or 0) and, where the prediction says how probable it took which class to be, `log_loss`
(natural logarithm of 1 over the probability of what was true, at most `MOST_LOSS`) and `brier` (sum over classes of the
squared difference of probability and truth, 0 to 2). Of a number: `absolute_error` and `squared_error`.

What a copy's answer says beside the live one: `agreement` (1 or 0, of classes) and `difference` (of the probabilities
of the live answer's class, or of numbers).

Source of the Brier score: Brier, Verification of forecasts expressed in terms of probability (1950).
"""

import math
from typing import Final

from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.evidence import MAX_VALUE
from trimtab.schemas.label import Label, Prediction

MOST_LOSS: Final = 15.0
"""What was taken for impossible and was true costs no more: a probability of 3e-7."""


class Unfit(TrimtabError):
    """A label that does not fit its prediction: a class for a number, or a number for a class."""


def scores(prediction: Prediction, label: Label) -> dict[str, float]:
    """Gives the outcomes by name. Raises `Unfit`.

    >>> told = Prediction(request="r", release="m", variant="v", time_ms=0, label="7", probabilities={"7": 0.8})
    >>> scores(told, Label(request="r", time_ms=1, label="7"))
    {'correct': 1.0, 'log_loss': 0.2231, 'brier': 0.04}
    """
    if (prediction.label is None) != (label.label is None):
        raise Unfit(f"request {label.request!r}: its prediction and its label are not of one kind")
    if prediction.value is not None and label.value is not None:
        error = abs(prediction.value - label.value)
        return {"absolute_error": min(error, MAX_VALUE), "squared_error": min(error * error, MAX_VALUE)}
    found = {"correct": float(prediction.label == label.label)}
    if prediction.probabilities and label.label is not None:
        found |= _of_probabilities(prediction.probabilities, label.label)
    return found


def differences(copy: Prediction, live: Prediction) -> dict[str, float]:
    """Gives what a copy's answer says beside the live one, by name; nothing where one is a class and one a number.

    >>> live = Prediction(request="r", release="m", variant="v1", time_ms=0, label="7", probabilities={"7": 0.75})
    >>> copy = Prediction(request="r", release="m", variant="v2", time_ms=0, label="1", probabilities={"7": 0.25})
    >>> differences(copy, live)
    {'agreement': 0.0, 'difference': 0.5}
    """
    if copy.value is not None and live.value is not None:
        return {"difference": min(abs(copy.value - live.value), MAX_VALUE)}
    if copy.label is None or live.label is None:
        return {}
    found = {"agreement": float(copy.label == live.label)}
    if copy.probabilities and live.probabilities:
        given, other = (one.probabilities.get(live.label, 0.0) for one in (copy, live))
        found["difference"] = round(abs(given - other), 4)
    return found


def _of_probabilities(given: dict[str, float], truth: str) -> dict[str, float]:
    share = given.get(truth, 0.0)
    loss = MOST_LOSS if share <= math.exp(-MOST_LOSS) else -math.log(share)
    squares = sum((each - (name == truth)) ** 2 for name, each in given.items()) + (truth not in given)
    return {"log_loss": round(max(0.0, loss), 4), "brier": round(squares, 4)}
