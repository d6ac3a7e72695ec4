"""Which weights a proxy has: of what revision, and whether as they are or with all on the baseline in their place."""

from typing import NamedTuple, Self

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import NO_REVISION, Revision


class Edition(NamedTuple):
    """A revision, or the fallback of one. Revisions never go back; the fallback of one comes and goes.

    >>> Edition()
    Edition(revision=(0, 0), fallback='')
    """

    revision: Revision = NO_REVISION
    fallback: str = ""
    """`baseline` where all goes there, for the weights are past their age"""

    @classmethod
    def of(cls, record: WeightsRecord) -> Self:
        """Gives the edition that a record is."""
        return cls(record.id, record.fallback)
