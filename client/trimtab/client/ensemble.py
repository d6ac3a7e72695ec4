"""Asking the members of an ensemble within a service, and making one answer of theirs by the newest weights.

    ensemble = Ensemble(Weights("redis://redis:6379", ["digits"]), "digits")
    panel = ensemble.panel()
    answers = {member: ask(target) for member, target in panel.targets.items()}  # those that answer in time
    combined = panel.combine(answers)

A panel is of one request: who is asked, what telemetry of each has to name, and the weights that count, all of one
revision. Labels of a member's own answer are told as of its variant (`Labels.predicted(panel.keys[member], …)`), which
is how members earn their weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from trimtab.client.assign import Newest, holds, segment_of
from trimtab.client.combine import Answer, combine
from trimtab.schemas.combination import Combine
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION
from trimtab.schemas.request_match import Request
from trimtab.schemas.telemetry import RoutingKey


@dataclass(frozen=True, slots=True)
class Combined:
    """One answer, and what it was made of."""

    answer: Answer
    weights: Mapping[str, int]
    """member that answered -> its weight, in basis points of all"""
    silent: tuple[str, ...]
    """members that were asked and did not answer"""


@dataclass(frozen=True, slots=True)
class Panel:
    """The members of an ensemble as one request finds them."""

    targets: Mapping[str, str]
    """member to ask -> the proxy's name for it, as the release file has it"""
    weights: Mapping[str, int]
    """member -> basis points"""
    keys: Mapping[str, RoutingKey]
    """member -> what its telemetry and its outcomes have to name"""
    how: Combine = "mean"
    takes_part: bool = True
    """False for a request that the release's condition leaves out: nobody is to be told of it"""

    def combine(self, answers: Mapping[str, Answer]) -> Combined:
        """Gives the one answer of those that were given.

        Raises `Unreachable` where nobody answered, and `ValueError` for answers that do not come to one, or of a
        variant that was not asked.
        """
        if strange := answers.keys() - self.targets.keys():
            raise ValueError(f"{', '.join(sorted(strange))}: expected answers of {', '.join(self.targets)} alone")
        if not answers:
            raise Unreachable(f"no member of {', '.join(self.targets)} answered")
        answer = combine(answers, self.weights, self.how)
        silent = tuple(member for member in self.targets if member not in answers)
        return Combined(answer, {member: self.weights[member] for member in answers}, silent)


class Ensemble:
    """The ensemble of one release, as `weights` (`trimtab.client.Weights`) knows it. Safe for threads, never waits.

    Of a release that is over or of another strategy, or whose weights are past their age and have made way for the
    baseline, those are asked that have any weight. `default`: the variant that is asked before any weights have come;
    without one that raises `Unreachable`.

    >>> from trimtab.schemas.combination import Combination
    >>> from trimtab.schemas.decision import WeightsRecord
    >>> class Known:
    ...     def get(self, release):
    ...         return WeightsRecord(
    ...             release=release, era=1, revision=2, time_ms=0, phase="progressing",
    ...             weights={"v1": 9_000, "v2": 1_000}, targets={"v1": "digits-1", "v2": "digits-2"},
    ...             ensemble=Combination(members=["v1", "v2"], combine="vote"),
    ...         )
    >>> panel = Ensemble(Known(), "digits").panel()
    >>> panel.targets
    {'v1': 'digits-1', 'v2': 'digits-2'}
    >>> combined = panel.combine({"v1": Answer(label="7"), "v2": Answer(label="1")})
    >>> combined.answer.label, dict(combined.answer.probabilities)
    ('7', {'7': 0.9, '1': 0.1})
    """

    def __init__(self, weights: Newest, release: str, *, default: str = "") -> None:
        self._weights, self._release, self._default = weights, release, default

    def panel(self, segment: str = "", *, request: Request | None = None) -> Panel:
        """Gives the members for a request; one that takes no part in the release is the baseline's alone.

        `segment`: where the service knows it; `request`: for the conditions of the release, which are passed over
        without it.
        """
        record = self._weights.get(self._release)
        if record is None:
            return self._by_default(segment)
        if request is not None and record.condition and not holds(record.condition, request):
            return self._alone(record.baseline, record.targets[record.baseline], "", takes_part=False)
        segment = segment_of(record, request, segment)
        weights = record.segments.get(segment, record.weights)
        members = record.ensemble.members if record.ensemble else [name for name, weight in weights.items() if weight]
        return Panel(
            targets={member: record.targets[member] for member in members},
            weights={member: weights[member] for member in members},
            keys={member: RoutingKey(self._release, member, segment, *record.routed_by) for member in members},
            how=record.ensemble.combine if record.ensemble else "mean",
        )

    def _by_default(self, segment: str) -> Panel:
        if not self._default:
            raise Unreachable(f"release {self._release}: no weights yet, and no default variant")
        return self._alone(self._default, self._default, segment)

    def _alone(self, variant: str, target: str, segment: str, *, takes_part: bool = True) -> Panel:
        key = RoutingKey(self._release, variant, segment, *NO_REVISION)
        return Panel({variant: target}, {variant: BASIS_POINTS}, {variant: key}, takes_part=takes_part)
