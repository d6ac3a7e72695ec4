"""The join of predictions and labels: from events of one topic to outcomes of their requests.

The rules, which are decided here and nowhere else:
  * Either may come first, and waits for the other. The first label of a request counts; a later one is `repeated`.
  * A label more than the window after its prediction is `expired`. One whose prediction has not come `EARLY_S` after it
    is `unknown`, as is one of a request that is forgotten, two windows after its first event. Times are those at which
    events were appended to their topic.
  * What does not fit its prediction (a class for a number) is `unfit`; what is no event of ours `undecodable`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.label import Label, Prediction, decode
from trimtab.schemas.request import request_number
from trimtab.schemas.telemetry import Outcome
from trimtab.streams.labels.open_requests import Open, OpenRequests, State, key_of, state_of
from trimtab.streams.labels.scoring import Unfit, scores

EARLY_S: Final = 60


class Message(NamedTuple):
    """A message of the topic."""

    partition: int
    offset: int
    append_s: int
    payload: bytes


class Joined(NamedTuple):
    """A prediction and its label."""

    prediction: Prediction
    label: Label


@dataclass(slots=True)
class Counts:
    """What became of events since the process started."""

    predictions: int = 0
    labels: int = 0
    joined: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """labels and messages that made no outcome, by reason"""


class Join:
    """Joins over a table of open requests; `window_s` is how long a label may take."""

    def __init__(self, table: OpenRequests, window_s: int) -> None:
        self._table, self._window_s = table, window_s
        self.counts = Counts()
        self._changed: dict[int, Open] = {}
        self._offsets: dict[int, int] = {}
        self._now_s = 0
        self._expired_s = 0

    def take(self, messages: Sequence[Message]) -> list[Joined]:
        """Takes messages, in the order of each partition, and gives what was joined; `keep` makes it last."""
        events = [(message, event) for message in messages if (event := self._read(message)) is not None]
        known = self._table.find(list({key_of(event.request) for _, event in events}))
        joined: list[Joined] = []
        for message, event in events:
            key = key_of(event.request)
            there = self._changed.get(key) or known.get(key)
            found = self._join(there, event, message.append_s)
            if found is not None:
                joined.append(found)
                self._changed[key] = Open(message.append_s, State.JOINED, None)
            elif there is None:
                self._changed[key] = Open(message.append_s, state_of(event), event)
        for message in messages:
            self._offsets[message.partition] = message.offset + 1
            self._now_s = max(self._now_s, message.append_s)
        return joined

    def keep(self) -> dict[int, int]:
        """Writes all that was taken into the table, once its outcomes are safe; gives partition -> next offset."""
        done = dict(self._offsets)
        self._count_early()
        self._table.write(self._changed, done, forget_before_s=self._now_s - 2 * self._window_s)
        self._changed.clear()
        return done

    def _read(self, message: Message) -> Prediction | Label | None:
        try:
            return decode(message.payload)
        except InvalidEvent as error:
            self.counts.refused[error.code] += 1
            return None

    def _join(self, there: Open | None, event: Prediction | Label, now_s: int) -> Joined | None:
        if isinstance(event, Label):
            self.counts.labels += 1
        else:
            self.counts.predictions += 1
        if there is None:
            return None
        match (there.event, event):
            case (Prediction() as prediction, Label() as label):
                if now_s - there.at_s <= self._window_s:
                    return Joined(prediction, label)
                self.counts.refused["expired"] += 1
            case (Label() as label, Prediction() as prediction):
                if now_s - there.at_s <= EARLY_S:
                    return Joined(prediction, label)
            case _:
                self.counts.refused["repeated"] += 1
        return None

    def _count_early(self) -> None:
        """Counts labels whose prediction has not come in time."""
        due_s = self._now_s - EARLY_S
        if due_s > self._expired_s:
            if self._expired_s and (unknown := self._table.waiting_labels(self._expired_s, due_s)):
                self.counts.refused["unknown"] += unknown
            self._expired_s = due_s


def outcomes_of(joined: Joined, counts: Counts, now_ms: int) -> list[Outcome]:
    """Gives the outcomes of a request, and counts it as joined or as `unfit`.

    They become known now, whenever the label did: what waited for us must not be late for that.
    """
    prediction, label = joined
    try:
        found = scores(prediction, label)
    except Unfit:
        counts.refused["unfit"] += 1
        return []
    counts.joined += 1
    return [
        Outcome(
            release=prediction.release, variant=prediction.variant, segment=prediction.segment, era=prediction.era,
            revision=prediction.revision, time_ms=now_ms, metric=metric, value=value,
            started_ms=prediction.time_ms, request=request_number(prediction.request),
        )
        for metric, value in found.items()
    ]  # fmt: skip
