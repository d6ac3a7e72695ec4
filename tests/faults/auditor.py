"""An account of events that asks nobody: it reads the topics and counts for itself, without the engine's code."""

from collections import Counter
from dataclasses import dataclass, field

import msgspec
import numpy as np

from streams.topic_log import read_topic
from trimtab.schemas import dead_letter, telemetry_message
from trimtab.schemas.dead_letter import DeadLetter
from trimtab.schemas.decision import Decision, WeightsRecord, decode_decision, decode_weights
from trimtab.schemas.errors import InvalidEvent, InvalidRecord
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, TELEMETRY, WEIGHTS


@dataclass
class Account:
    """What the topics hold."""

    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(release, variant) -> events in the telemetry topic"""
    undecodable: int = 0
    """telemetry messages that are none: each counts as one event"""
    letters: dict[str, DeadLetter] = field(default_factory=dict)
    decisions: dict[tuple[str, int, int], Decision] = field(default_factory=dict)
    """(release, era, revision) -> decision"""

    @property
    def events(self) -> int:
        return self.sent.total() + self.undecodable

    @property
    def dead_lettered(self) -> int:
        """Telemetry events that were refused."""
        return sum(letter.events for letter in self.letters.values() if letter.source == TELEMETRY)

    def newest(self, release: str) -> Decision | None:
        of_release = [decision for key, decision in self.decisions.items() if key[0] == release]
        return max(of_release, key=lambda decision: decision.id, default=None)

    @property
    def counted(self) -> int:
        """Events that the newest decisions rest on, late ones included."""
        newest = [self.newest(release) for release in {key[0] for key in self.decisions}]
        return sum(decision.seen.counted + decision.seen.late for decision in newest if decision)


def audit(kafka: str) -> Account:
    """Reads all topics. Fails where two decisions of one revision differ, or weights are not whole."""
    account = Account()
    for payload in read_topic(kafka, TELEMETRY):
        _take_telemetry(account, payload)
    for payload in read_topic(kafka, DEAD_LETTERS):
        try:
            letter = dead_letter.decode(payload)
        except (InvalidRecord, msgspec.DecodeError):  # a poison message of a test's
            continue
        account.letters[letter.id] = letter
    # A worker that goes on sends a decision before its weights: what is read here after them has the decisions of all.
    weights = read_topic(kafka, WEIGHTS)
    for payload in read_topic(kafka, DECISIONS):
        _take_decision(account, payload)
    for payload in weights:
        _check_weights(account, payload)
    return account


def _take_telemetry(account: Account, payload: bytes) -> None:
    try:
        batch = telemetry_message.decode(payload)
    except InvalidEvent:
        account.undecodable += 1
        return
    if batch.count:
        counts = np.bincount(np.frombuffer(batch.key, dtype="<u2"), minlength=len(batch.keys))
        for key, count in zip(batch.keys, counts.tolist(), strict=True):
            account.sent[key.release, key.variant] += count


def _take_decision(account: Account, payload: bytes) -> None:
    try:
        decision = decode_decision(payload)
    except InvalidRecord:
        return
    assert sum(decision.weights.values()) == 10_000, decision
    known = account.decisions.setdefault((decision.release, *decision.id), decision)
    assert msgspec.json.encode(known) == msgspec.json.encode(decision), "two decisions of one revision differ"


def _check_weights(account: Account, payload: bytes) -> None:
    try:
        record: WeightsRecord = decode_weights(payload)
    except InvalidRecord:
        return
    assert account.decisions[record.release, record.era, record.revision].weights == record.weights
