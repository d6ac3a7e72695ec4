"""What is not a stamp is told apart from one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.stamp import read_stamp, stamp


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "{}",
        "[]",
        "null",
        '{"release": "checkout"}',
        '{"release":"checkout","era":"1","revision":1,"targets":{}}',
        '{"release":"checkout","era":1,"revision":1,"targets":["v1"]}',
        '{"release":"checkout","era":1,"revision":1,"targets":{"v1":null}}',
        stamp("checkout", (1, 1), {"v1": "at-v1"})[:-1],
        "\ud800",
    ],
)
def test_a_text_that_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(InvalidRecord, match="not a stamp"):
        read_stamp(text)


@given(st.dictionaries(st.text(), st.text(), max_size=4))
def test_any_names_survive_the_stamp(targets: dict[str, str]) -> None:
    keys = read_stamp(stamp("checkout", (1, 1), targets)).keys
    assert set(keys) == set(targets.values())
    assert all(targets[key.variant] == cluster for cluster, key in keys.items())
