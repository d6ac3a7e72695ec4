import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.schemas.inference import Served, answered_by, asked_for, variant_of


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v2/models/digits/infer", Served("digits")),
        ("/v2/models/digits/versions/3/infer", Served("digits", "3")),
        ("/team/a/v2/models/digits/infer?trace=1", Served("digits")),
        ("/v2/models/digits/infer/", Served("digits")),
        ("/v2/models/digits", None),
        ("/v2/models/digits/ready", None),
        ("/v2/models//infer", None),
        ("/v2/models/digits/versions//infer", None),
        ("/v2/models/digits/infer/more", None),
        ("/v1/models/digits:predict", None),
        ("", None),
    ],
)
def test_a_path_asks_for_a_model_and_perhaps_a_version(path: str, asked: Served | None) -> None:
    assert asked_for(path) == asked


@pytest.mark.parametrize(
    ("body", "served"),
    [
        (b'{"model_name": "digits", "model_version": "3", "id": "r", "outputs": []}', Served("digits", "3")),
        (b'{"model_name": "digits", "outputs": []}', Served("digits")),
        (b'{"error": "no such model"}', Served()),
        (b'{"model_name": "digits", "model_version": 3}', Served()),
        (b'["digits", "3"]', Served()),
        (b"\xff\x00", Served()),
        (b"", Served()),
    ],
)
def test_an_answer_says_whose_it_is_or_nothing(body: bytes, served: Served) -> None:
    assert answered_by(body) == served


@given(st.text(), st.binary())
def test_whatever_comes_is_read(path: str, body: bytes) -> None:
    asked_for(path)
    answered_by(body)


@pytest.mark.parametrize(
    ("served", "variant"),
    [
        (Served("digits", "1"), "v1"),
        (Served("digits", "v1"), "v1"),
        (Served("", "1"), "v1"),
        (Served("digits", "2"), "second"),
        (Served("letters", "2"), ""),
        (Served("digits", "3"), "third"),
        (Served("digits", "4"), ""),
        (Served("digits", "5"), ""),
        (Served("digits", ""), ""),
    ],
)
def test_a_variant_is_known_by_its_name_or_its_target(served: Served, variant: str) -> None:
    targets = {"v1": "a", "second": "digits-2", "third": "digits:3", "v4": "x", "other": "digits-v4"}
    assert variant_of(served, targets) == variant
