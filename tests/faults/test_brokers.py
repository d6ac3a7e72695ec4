"""Brokers that restart, are lost, are all away, or have no room left."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.fault_rig import FaultRig
from faults.test_workers import pause
from trimtab.streams.local import LocalKafka

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

_AWAY_S = 60.0
_DISK_MB = 192


def test_the_broker_is_restarted() -> None:
    with FaultRig() as rig:
        rig.begin()
        rig.kafka.down()
        rig.kafka.up()
        rig.recovers("broker restarted")
        rig.settle()


def test_one_of_three_brokers_is_lost() -> None:
    with FaultRig(LocalKafka(3, heap_mb=256)) as rig:
        rig.begin()
        rig.kafka.brokers[1].kill()
        rig.recovers("one of three brokers lost")
        rig.kafka.brokers[1].start()
        rig.kafka.await_ready()
        rig.recovers("lost broker back")
        rig.settle()


def test_all_brokers_are_away_for_a_minute() -> None:
    with FaultRig() as rig:
        rig.begin(publishers=1)
        rig.kafka.down()
        pause(_AWAY_S)
        rig.kafka.up()
        rig.recovers("all brokers away for 60 s")
        rig.settle(may_drop=True)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own with little room."""
    if os.geteuid() != 0:
        pytest.skip("a file system with little room: mounting a tmpfs needs root")
    with tempfile.TemporaryDirectory(prefix="trimtab-disk-") as folder:
        options = f"size={_DISK_MB}m"
        done = subprocess.run(
            ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(f"a file system with little room: mount says {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["/bin/umount", "--lazy", folder], check=True)


def test_the_brokers_disk_is_full(small_disk: Path) -> None:
    with FaultRig(LocalKafka(folder=small_disk)) as rig:
        rig.begin(publishers=1)
        ballast = small_disk / "ballast"
        fill(ballast)
        while rig.kafka.brokers[0].is_running:  # it ends when it can no longer write; the test's own limit bounds this
            fill(ballast)
            pause(0.2)
        ballast.unlink()
        rig.kafka.down()
        rig.kafka.up()
        rig.recovers("broker's disk full, then freed")
        rig.settle(may_drop=True)


def fill(ballast: Path) -> None:
    """Takes all room that is left."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return
