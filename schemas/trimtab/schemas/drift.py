"""What a release file says of signals that an arm changed, upon which its past is discounted or forgotten."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.schemas.part import Part


class _Detector(Part):
    keep: Annotated[float, Field(ge=0, le=1)] = 0.0
    """what stays of an arm's past when it changed: 0 forgets it, 1 does nothing"""
    min_trials: Annotated[int, Field(ge=1)] = 100
    """trials of an arm that make one look; smaller batches are gathered"""


class Adwin(_Detector):
    """River's ADWIN over an arm's mean reward, in standard errors of each look: finds where the past falls in two.

    Surer and later than Page-Hinkley: it sees 0.9 fall to 0.6 after some 17 looks of 200 trials.
    """

    detector: Literal["adwin"]
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """how willing it is to be wrong at each look; greater notices sooner"""


class PageHinkley(_Detector):
    """River's Page-Hinkley test over an arm's mean reward, in standard errors of each look.

    It sees 0.9 fall to 0.6 at the first look of 200 trials, and 0.01 double within some 7 looks of 500.
    """

    detector: Literal["pageHinkley"]
    threshold: Annotated[float, Field(gt=0, le=1_000)] = 12.0
    """standard errors that add up to a change; greater is surer and later"""
    delta: Annotated[float, Field(ge=0, le=100)] = 0.5
    """standard errors per look that are no change"""


Drift = Annotated[Adwin | PageHinkley, Field(discriminator="detector")]
