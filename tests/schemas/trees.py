"""Expressions as trees, drawn at random, and built of what a person may write."""

from hypothesis import strategies as st

from trimtab.schemas.expression import FIELDS, NAMES, Binary, Extreme, Name, Negative, Node, Number, Outcome

METRICS = ("revenue", "rating")


def _grown(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    return st.one_of(
        st.builds(Negative, parts),
        st.builds(Binary, st.sampled_from(("+", "-", "*", "/")), parts, parts),
        st.builds(Extreme, st.sampled_from(("min", "max")), st.lists(parts, min_size=2, max_size=3).map(tuple)),
    )


def trees_with(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Node]:
    """Trees whose numbers are drawn from `numbers`."""
    leaves = st.one_of(
        st.builds(Number, numbers),
        st.builds(Name, st.sampled_from(NAMES)),
        st.builds(Outcome, st.sampled_from(METRICS), st.sampled_from(FIELDS)),
    )
    return st.recursive(leaves, _grown, max_leaves=8)


trees: st.SearchStrategy[Node] = trees_with(st.floats(0, 1e300, allow_nan=False))
