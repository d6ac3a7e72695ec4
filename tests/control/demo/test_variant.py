import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from itertools import islice

import pytest

from trimtab.control.demo import DemoOptions
from trimtab.control.demo.scenario import answers, story
from trimtab.streams.embedded.process import Child

pytestmark = pytest.mark.integration


@pytest.fixture
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "trimtab.control.demo.variant", "v2", "faulty", "canary", "200", "60", "1"]
    child = Child("v2", command)
    try:
        port = child.await_line(r"^listening on (\d+)$", 60.0)[1]
        yield f"http://127.0.0.1:{port}/any/path"
    finally:
        child.stop()


def fetched(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 - our own server on this machine
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_service_answers_as_its_course_and_seed_say(url: str) -> None:
    course = story(DemoOptions()).courses["v2"]
    expected = [
        (500, {"version": "v2", "error": "out of order"})
        if answer.failed
        else (200, {"version": "v2", "converted": answer.converted})
        for answer in islice(answers(course, variant="v2", seed=1), 30)
    ]
    assert [fetched(url) for _ in range(30)] == expected
    assert {status for status, _ in expected} == {200, 500}
