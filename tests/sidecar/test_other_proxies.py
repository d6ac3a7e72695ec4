"""Weights reach a real nginx and a real Traefik by the examples in deploy/, and no request fails meanwhile."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from conftest import Eventually
from sidecar.follower_rig import FollowerRig
from sidecar.weights import ERA, weights
from trimtab.streams.embedded import EmbeddedRedis

DEPLOY = Path(__file__).parents[2] / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
TRAEFIK = shutil.which("traefik", path=str(Path(sys.executable).parent))

CHANGES = 1_000
NGINX_CONF = """
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    include {folder}/trimtab.conf;
    upstream at-v1 {{ server 127.0.0.1:{v1}; }}
    upstream at-v2 {{ server 127.0.0.1:{v2}; }}
    server {{
        listen 127.0.0.1:{port};
        keepalive_timeout 0;
        location / {{
            proxy_pass http://$trimtab_checkout;
            add_header x-trimtab-variant $trimtab_checkout_variant always;
        }}
    }}
}}
"""
STATIC = """
entryPoints: {{web: {{address: "127.0.0.1:{port}"}}}}
providers: {{file: {{directory: "{folder}", watch: true}}}}
"""

pytestmark = [pytest.mark.integration, pytest.mark.proxies]
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
needs_traefik = pytest.mark.skipif(TRAEFIK is None, reason="Traefik is not installed")


@contextmanager
def nginx(rig: FollowerRig, eventually: Eventually) -> Iterator[int]:
    """nginx and a sidecar that runs the example, once both are ready; gives the port."""
    port, conf = rig.reserve_port(), rig.folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=rig.folder, port=port, **rig.ports))
    if os.geteuid() == 0:
        conf.write_text("user root;\n" + conf.read_text())
    command = f"{NGINX} -c {conf} -p {rig.folder} -e {rig.folder}/error.log"
    script = DEPLOY / "nginx" / "weights.py"
    rig.start_sidecar(sys.executable, script, rig.folder / "trimtab.conf", "--nginx", command)
    # The first reload finds no nginx yet, and is tried again once there is one.
    eventually((rig.folder / "trimtab.conf").exists, what="the first weights")
    rig.start("nginx", *command.split(), "-g", "daemon off;")
    eventually(lambda: rig.report().in_force != (0, 0), what="weights in force")
    yield port


@contextmanager
def traefik(rig: FollowerRig, eventually: Eventually) -> Iterator[int]:
    """Traefik and a sidecar that runs the example, once both are ready; gives the port."""
    port, watched = rig.reserve_port(), rig.folder / "dynamic"
    watched.mkdir()
    static = rig.folder / "static.yaml"
    static.write_text(STATIC.format(folder=watched, port=port))
    shutil.copy(DEPLOY / "traefik" / "checkout.yaml", watched)
    servers = [f"--server=at-{name}=http://127.0.0.1:{of}" for name, of in rig.ports.items()]
    script = DEPLOY / "traefik" / "weights.py"
    rig.start_sidecar(sys.executable, script, watched / "trimtab.yaml", *servers)
    assert TRAEFIK is not None
    rig.start("traefik", TRAEFIK, f"--configfile={static}")
    eventually(lambda: rig.world.ask(port, 1)[0].status == 200, what="an answer")
    yield port


PROXIES = [pytest.param(nginx, marks=needs_nginx), pytest.param(traefik, marks=needs_traefik)]
Proxy = Callable[[FollowerRig, Eventually], AbstractContextManager[int]]


@pytest.mark.parametrize("proxy", PROXIES)
def test_shares_follow_the_weights(proxy: Proxy, redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights(revision=1, v1=8_000, v2=2_000))
        with proxy(rig, eventually) as port:
            answers = rig.world.ask(port, 1_000)
            assert {answer.status for answer in answers} == {200}
            assert 0.15 < sum(answer.service == "v2" for answer in answers) / 1_000 < 0.25
            rig.publish(weights(revision=2, v1=0, v2=10_000))
            eventually(lambda: {one.service for one in rig.world.ask(port, 20)} == {"v2"}, what="all on v2")


@pytest.mark.parametrize("proxy", PROXIES)
def test_no_request_fails_while_weights_change(proxy: Proxy, redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights(revision=1))
        with proxy(rig, eventually) as port, rig.world.visit(port) as visit:
            for revision in range(2, CHANGES + 2):
                v2 = 10_000 * (revision % 2)
                rig.publish(weights(revision=revision, v1=10_000 - v2, v2=v2))
                eventually(lambda: rig.report().in_force >= (ERA, revision - 250), what="not far behind")  # noqa: B023
            eventually(lambda: rig.report().in_force == (ERA, CHANGES + 1), what="the newest")
            changed_s = time.monotonic()
            eventually(lambda: len(visit.since(changed_s)) > 50, what="requests after the last change")
        assert [answer for answer in visit.answers if answer.status != 200] == []
        assert {answer.service for answer in visit.answers} == {"v1", "v2"}


@needs_nginx
def test_nginx_says_that_it_has_no_such_upstream_and_goes_on(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights(revision=1, v1=0, v2=10_000))
        with nginx(rig, eventually) as port:
            file = rig.folder / "trimtab.conf"
            before = file.read_text()
            rig.publish(weights(revision=2, v1=5_000, v2=5_000, at={"v1": "at-v9"}))
            eventually(lambda: rig.report().refused, what="the report")
            assert rig.report().refused.endswith("nginx has no upstream at-v9; it has at-v1, at-v2")
            assert rig.report().in_force == (ERA, 1)
            assert file.read_text() == before
            assert {answer.service for answer in rig.world.ask(port, 20)} == {"v2"}


@needs_nginx
def test_what_nginx_refuses_is_shown_in_its_words(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights(revision=1))
        with nginx(rig, eventually):
            rig.publish(weights(revision=2, at={"v1": "at v1;"}))
            eventually(lambda: "[emerg]" in rig.report().refused, what="the report")
            assert "trimtab.conf" in rig.report().refused


@needs_traefik
def test_a_variant_without_a_server_is_said_before_any_weight_moves(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights(revision=1, v1=0, v2=10_000))
        with traefik(rig, eventually) as port:
            rig.publish(weights(revision=2, v1=5_000, v2=5_000, at={"v1": "at-v9"}))
            eventually(lambda: rig.report().refused, what="the report")
            assert rig.report().refused.endswith("no server of at-v9: expected --server at-v9=URL")
            assert {answer.service for answer in rig.world.ask(port, 20)} == {"v2"}
