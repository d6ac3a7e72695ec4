"""The join of predictions and labels: from events of one topic to outcomes of their requests.

The rules, which are decided here and nowhere else:
  * Events may come in any order, and wait for each other. Several variants may answer one request: live, and copies of
    it (`shadow`). One label is of all of them. The first prediction of a variant and the first label count; later ones
    are `repeated`, and more than `MOST` variants `too_many`.
  * A copy's answer is compared with the live one, and is told as an outcome of the copy's variant.
  * A label more than the window after the first event of its request is `expired`. One whose prediction has not come
    `EARLY_S` after it is `unknown`, as is one of a request that is forgotten, two windows after its first event. Times
    are those at which events were appended to their topic.
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
from trimtab.streams.labels.open_requests import Open, OpenRequests, key_of
from trimtab.streams.labels.scoring import Unfit, differences, scores

EARLY_S: Final = 60
MOST: Final = 16
"""Variants that one request may have been answered by."""


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


class Compared(NamedTuple):
    """The answer to a copy of a request, and the live one."""

    copy: Prediction
    live: Prediction


Found = Joined | Compared


@dataclass(slots=True)
class Counts:
    """What became of events since the process started."""

    predictions: int = 0
    labels: int = 0
    joined: int = 0
    compared: int = 0
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

    def take(self, messages: Sequence[Message]) -> list[Found]:
        """Takes messages, in the order of each partition, and gives what was found; `keep` makes it last."""
        events = [(message, event) for message in messages if (event := self._read(message)) is not None]
        known = self._table.find(list({key_of(event.request) for _, event in events}))
        found: list[Found] = []
        for message, event in events:
            key = key_of(event.request)
            there = self._changed.get(key) or known.get(key) or Open(message.append_s, ())
            found += self._join(key, there, event, message.append_s)
        for message in messages:
            self._offsets[message.partition] = message.offset + 1
            self._now_s = max(self._now_s, message.append_s)
        return found

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

    def _join(self, key: int, there: Open, event: Prediction | Label, now_s: int) -> list[Found]:
        match event:
            case Label():
                self.counts.labels += 1
                found, refusal = self._labelled(there, event, now_s)
            case Prediction():
                self.counts.predictions += 1
                found, refusal = self._predicted(there, event, now_s)
        if refusal:
            self.counts.refused[refusal] += 1
        else:
            self._changed[key] = Open(there.at_s, (*there.events, event))
        return found

    def _labelled(self, there: Open, label: Label, now_s: int) -> tuple[list[Found], str]:
        """Gives what a label is joined with, and why it is refused, if it is."""
        if there.label is not None:
            return [], "repeated"
        if now_s - there.at_s > self._window_s:
            return [], "expired"
        return [Joined(prediction, label) for prediction in there.predictions], ""

    @staticmethod
    def _predicted(there: Open, given: Prediction, now_s: int) -> tuple[list[Found], str]:
        """Gives what a prediction is joined and compared with, and why it is refused, if it is."""
        others = there.predictions
        if any((one.release, one.variant) == (given.release, given.variant) for one in others):
            return [], "repeated"
        if len(others) >= MOST:
            return [], "too_many"
        found: list[Found] = [
            Compared(one, given) if one.shadow else Compared(given, one)
            for one in others
            if one.release == given.release and one.shadow != given.shadow
        ]
        is_early = not others and now_s - there.at_s > EARLY_S
        if there.label is not None and not is_early:  # else the label was counted as unknown
            found.append(Joined(given, there.label))
        return found, ""

    def _count_early(self) -> None:
        """Counts labels whose prediction has not come in time."""
        due_s = self._now_s - EARLY_S
        if due_s > self._expired_s:
            if self._expired_s and (unknown := self._table.waiting_labels(self._expired_s, due_s)):
                self.counts.refused["unknown"] += unknown
            self._expired_s = due_s


def outcomes_of(found: Found, counts: Counts, now_ms: int) -> list[Outcome]:
    """Gives the outcomes of a request, and counts a label as joined or as `unfit`.

    They become known now, whenever the label did: what waited for us must not be late for that.
    """
    match found:
        case Joined(prediction, label):
            try:
                values = scores(prediction, label)
            except Unfit:
                counts.refused["unfit"] += 1
                return []
            counts.joined += 1
        case Compared(prediction, live):
            values = differences(prediction, live)
            counts.compared += 1
    return [_outcome(prediction, metric, value, now_ms) for metric, value in values.items()]


def _outcome(of: Prediction, metric: str, value: float, now_ms: int) -> Outcome:
    return Outcome(
        release=of.release, variant=of.variant, segment=of.segment, era=of.era, revision=of.revision, time_ms=now_ms,
        metric=metric, value=value, started_ms=of.time_ms, request=request_number(of.request),
    )  # fmt: skip
