"""What a release file says of signals that an arm changed, upon which its past is discounted or forgotten."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class _Detector(_Part):
    keep: Annotated[float, Field(ge=0, le=1)] = 0.0
    """what stays of an arm's past when it changed: 0 forgets it, 1 does nothing"""
    min_trials: Annotated[int, Field(ge=1)] = 100
    """trials of an arm that make one look; smaller batches are gathered"""


class Adwin(_Detector):
    """River's ADWIN over an arm's mean reward at each look: finds where two parts of the past differ.

    Slow and sure. For rewards from 0 to 1 only.
    """

    detector: Literal["adwin"]
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.002
    """how willing it is to be wrong at each look; greater notices sooner"""


class PageHinkley(_Detector):
    """River's Page-Hinkley test over an arm's mean reward, in standard errors of each look."""

    detector: Literal["pageHinkley"]
    threshold: Annotated[float, Field(gt=0, le=1_000)] = 12.0
    """standard errors that add up to a change; greater is surer and later"""
    delta: Annotated[float, Field(ge=0, le=100)] = 0.5
    """standard errors per look that are no change"""


Drift = Annotated[Adwin | PageHinkley, Field(discriminator="detector")]
