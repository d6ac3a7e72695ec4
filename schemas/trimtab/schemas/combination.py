"""How one answer is made of those of several models: what a release file says, and whoever asks the models knows."""

from typing import Literal

import msgspec

Combine = Literal["mean", "vote", "median"]
"""`mean`: the weighted mean, of probabilities or numbers; `vote`: each member gives its weight to one class; `median`:
the weighted median, of numbers"""


class Combination(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers the requests of an ensemble, and what is made of their answers beside their weights."""

    members: list[str]
    """variants that answer every request, those without weight too: it is how they earn some"""
    combine: Combine
