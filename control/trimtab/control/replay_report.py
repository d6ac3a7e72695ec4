"""What a replay showed, in words."""

from trimtab.control.notation import revision_text
from trimtab.control.replay import Comparison


def lines_of(found: Comparison) -> list[str]:
    """Gives the lines about one partition."""
    lines = [f"partition {found.partition}: {found.records} records from offset {found.start} on"]
    lines.append(f"  {found.replayed} decisions replayed, {found.identical} identical to the last bit")
    if found.first is not None:
        first = found.first
        place = f"revision {revision_text(first.revision)} of {first.release}"
        lines.append(f"  {found.differing} differ, first {place}:")
        lines.append(f"    {first.field}: recorded {first.recorded}, replayed {first.replayed}")
    if not found.identical and not found.differing:
        lines.append(f"  nothing to compare{': ' * bool(found.absent)}{found.absent}")
    lines += [f"  {count} {words}" for count, words in _remarks(found) if count]
    lines += [f"  {name}: cannot be replayed, for what it began with is gone" for name in found.began_before]
    return lines


def _remarks(found: Comparison) -> list[tuple[int, str]]:
    return [
        (
            found.missing,
            f"records are missing, the first at offset {found.first_missing}: what came of them may differ",
        ),
        (found.forgotten, "are older than what is recorded still"),
        (found.ahead, "are newer than what is recorded yet"),
        (found.unreadable, "records cannot be read, and had no effect"),
        (found.newer, "records are of a newer version: upgrade trimtab here, or decisions differ"),
    ]
