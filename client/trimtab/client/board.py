"""The newest weights of each release, as a subscriber has come to know them.

The rule, decided here alone: a record is taken only if its (era, revision) is greater than that of the record held.
Order, repetition and loss of what is offered therefore never take a subscriber back.
"""

from collections.abc import Iterable

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import NO_REVISION


class Board:
    """Holds one record per release, of the releases it was made for.

    >>> Board(["checkout"]).get("checkout") is None
    True
    """

    def __init__(self, releases: Iterable[str]) -> None:
        self._records: dict[str, WeightsRecord | None] = dict.fromkeys(releases)

    def offer(self, record: WeightsRecord) -> bool:
        """Takes the record if it is newer than the one held and of a release of ours; gives whether it did."""
        if record.release not in self._records:
            return False
        held = self._records[record.release]
        if record.id <= (held.id if held else NO_REVISION):
            return False
        self._records[record.release] = record
        return True

    def get(self, release: str) -> WeightsRecord | None:
        """Gives the newest record of `release`, or None before the first."""
        return self._records.get(release)
