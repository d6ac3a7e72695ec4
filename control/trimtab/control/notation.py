"""How instants, revisions and decisions are written in a line. Imports next to nothing: every command needs it."""

from datetime import UTC, datetime

from trimtab.schemas.decision import Decision
from trimtab.schemas.ids import Revision
from trimtab.schemas.sidecar import SidecarReport


def revision_text(revision: Revision) -> str:
    """Gives a revision as the headers of a response have it, era first."""
    return f"{revision[0]}.{revision[1]}"


def time_text(time_ms: int) -> str:
    """Gives an instant in UTC, with its milliseconds."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def phase_words(decision: Decision) -> str:
    """Gives where a release stands, or what it waits for."""
    if decision.queued_behind and not decision.phase.is_over:
        return f"queued behind {decision.queued_behind}"
    return str(decision.phase)


def revision_line(decision: Decision) -> str:
    """Gives a decision as one line, for terminals that do not redraw."""
    weights = " ".join(f"{variant}={weight}" for variant, weight in decision.weights.items())
    return f"{decision.release} {decision.revision} {phase_words(decision)} {weights}: {decision.rule}"


def stale_words(report: SidecarReport) -> str:
    """Gives what has become of a sidecar's weights past their age."""
    then = f"all goes to the {report.fallback}" if report.fallback else "they stay in force"
    return f"nobody has stood behind its weights for {report.age_s or 0.0:.0f} s: {then}"
