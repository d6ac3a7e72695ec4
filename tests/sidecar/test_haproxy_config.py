"""The configuration that is printed for a release file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.condition_cases import CONDITIONS
from sidecar.haproxy_rig import HAPROXY, needs_haproxy, release
from trimtab.schemas.condition import text_of
from trimtab.schemas.ways import ways
from trimtab.sidecar.haproxy.config import Unconfigurable, configuration
from trimtab.sidecar.haproxy.proxy_settings import ProxySettings

SERVERS = {"at-v1.1": "127.0.0.1:1", "at-v1.2": "127.0.0.1:2", "at-v2": "127.0.0.1:3"}


def settings(**own: Any) -> ProxySettings:
    told = {"bind": "127.0.0.1:1", "socket": Path("/run/admin.sock"), "state": Path("/run/trimtab"), "servers": SERVERS}
    return ProxySettings(**{**told, **own})


def test_the_longest_prefix_comes_first() -> None:
    releases = (
        release("all"),
        release("cart", route={"prefix": "/shop/cart"}),
        release("shop", route={"prefix": "/shop"}),
    )
    text = configuration(releases, settings())
    rules = [line.split()[1] for line in text.splitlines() if line.strip().startswith("use_backend")]
    assert rules == ["cart", "shop", "all"]


def test_until_there_are_weights_the_baseline_takes_everything() -> None:
    text = configuration((release(),), settings())
    assert "server at-v1.2 127.0.0.1:2 weight 256 check" in text
    assert "server at-v2 127.0.0.1:3 weight 0 check" in text


def test_a_log_on_standard_output_is_written_by_one_thread() -> None:
    assert "nbthread 1" in configuration((release(),), settings(log_to_stdout=True))
    assert "nbthread" not in configuration((release(),), settings())


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"servers": {"at-v1": "127.0.0.1:1"}}, "variant v2: expected a server called 'at-v2', or 'at-v2.1'"),
        ({"servers": {}}, "got none"),
        ({"servers": {**SERVERS, "at v3": "127.0.0.1:1"}}, "server 'at v3': expected TARGET or TARGET.N"),
        ({"servers": {**SERVERS, "at-v2": "127.0.0.1:3\nserver x"}}, "at-v2: expected an address without spaces"),
        ({"bind": ""}, "bind: expected an address"),
        ({"state": Path("state")}, "state: 'state': expected an absolute path"),
        ({"socket": Path("/run/a b.sock")}, "socket: '/run/a b.sock': expected a path without spaces"),
        ({"segment_key": "hdr(x)\nbackend y"}, "segment key: expected one line"),
    ],
)
def test_what_makes_no_configuration_is_told(own: dict[str, Any], words: str) -> None:
    with pytest.raises(Unconfigurable) as refusal:
        configuration((release(),), settings(**own))
    assert words in str(refusal.value)


def test_two_releases_in_one_place_are_refused() -> None:
    with pytest.raises(Unconfigurable, match=r"release b: prefix '/' and condition are those of a"):
        configuration((release("a"), release("b")), settings())


def test_visitors_are_kept_in_one_way_alone() -> None:
    with pytest.raises(Unconfigurable, match=r"release checkout: expected either `stickiness` in the file or"):
        configuration((release(stickiness={"cookie": "visitor"}),), settings(sticky=True))


@needs_haproxy
@pytest.mark.integration
@pytest.mark.parametrize("sticky", [False, True])
@pytest.mark.parametrize("segment_key", ["", "req.hdr(x-customer)"])
def test_haproxy_takes_every_condition_in_every_place(tmp_path: Path, *, sticky: bool, segment_key: str) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "trimtab.map").touch()
    releases = []
    texts = [text_of(condition) for condition in CONDITIONS if 0 < len(ways(condition)) <= 8]
    for number, text in enumerate(texts):
        variants = [{"name": "v1", "target": "at-v1"}, {"name": "v2", "target": "at-v2", "condition": text}]
        segments = [{"name": "told", "condition": text}, {"name": "mapped"}]
        route = {"prefix": f"/{number}", "condition": "not has header X-Nobody"}
        releases.append(release(f"r{number}", variants=variants, segments=segments, route=route))
        (state / f"segments.r{number}.map").touch()
    file = tmp_path / "haproxy.cfg"
    own = settings(state=state, socket=tmp_path / "admin.sock", sticky=sticky, segment_key=segment_key)
    file.write_text(configuration(releases, own))
    checked = subprocess.run([str(HAPROXY), "-c", "-f", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    warnings = [line for line in checked.stderr.splitlines() if "WARNING" in line and "server state file" not in line]
    assert warnings == []


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "trimtab.control.cli", "sidecar", "haproxy-config", *arguments]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_it_and_says_what_haproxy_needs() -> None:
    ended = command(
        "-f", "examples/checkout-canary.yaml", "--bind=:8080", "--socket=/run/a.sock", "--state=/run/t",
        *(f"--server=checkout-v{number}=127.0.0.1:800{number}" for number in (1, 2, 3)),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "backend checkout\n" in ended.stdout
    assert "start the sidecar first" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--server=v1"], "--server: expected TARGET=HOST:PORT, got 'v1'"),
        (["--server=a=b:1", "--server=a=b:2"], "--server: 'a' stands twice"),
        (["--server=a=b:1"], "expected a server called 'checkout-v1'"),
    ],
)
def test_a_wrong_server_is_one_line_and_exit_2(arguments: list[str], words: str) -> None:
    ended = command("-f", "examples/checkout-canary.yaml", "--bind=:1", "--socket=/a", "--state=/b", *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert ended.stderr.count("\n") == 1
