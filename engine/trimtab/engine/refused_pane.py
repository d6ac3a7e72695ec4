"""Final panes with events that were not counted, and why. A refusal has one wording, however often it comes."""

from dataclasses import dataclass

from trimtab.engine.batch import Refusal
from trimtab.engine.contents import RefusedOutcomes
from trimtab.engine.contribution import events_of
from trimtab.engine.strangers import Stranger


@dataclass(frozen=True, slots=True)
class RefusedPane:
    """What was refused of a pane, and the telemetry messages that it came in."""

    source: int
    first_offset: int
    last_offset: int
    refusal: Refusal


def of_stranger(stranger: Stranger, *, is_known: bool) -> RefusedPane:
    """Gives that of a pane whose variant does not take part, or whose release does not exist (`is_known`: it does)."""
    row, key = stranger.row, stranger.row.key
    events, pane = events_of(row.content), _pane(key.variant, key.segment, row.second)
    if is_known:
        reason = f"release {key.release}: no variant {key.variant!r} ({pane})"
        refusal = Refusal("unknown-variant", reason, events, key.release)
    else:
        refusal = Refusal("unknown-release", f"no release {key.release!r} ({pane})", events, key.release)
    return RefusedPane(stranger.source, row.first_offset, stranger.offset, refusal)


def of_outcomes(release: str, refused: RefusedOutcomes) -> RefusedPane:
    """Gives that of a pane with outcomes that are no shares, where the objective is of shares."""
    reason = (
        f"release {release}: an outcome of its objective lies below 0 or above 1: expected a share, or `values: real`"
        f" in the release file ({_pane(refused.variant, refused.segment, refused.second)})"
    )
    refusal = Refusal("bad-value", reason, refused.events, release)
    return RefusedPane(refused.source, refused.first_offset, refused.offset, refusal)


def _pane(variant: str, segment: str, second: int) -> str:
    """Gives what tells a pane from others of its source."""
    return f"variant {variant}{f', segment {segment}' if segment else ''}, second {second}"
