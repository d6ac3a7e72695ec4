"""The jars of an Apache Kafka broker, brought once from Maven Central by the pom beside this file."""

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from trimtab.schemas.errors import Unreachable

_POM: Final = Path(__file__).with_name("pom.xml")
_PLUGIN: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_DOWNLOAD_S: Final = 300.0


def find_program(name: str, package: str) -> Path:
    """Gives the path of a program. Raises `Unreachable`, with the Debian package that has it, where there is none."""
    found = shutil.which(name)
    if found is None:
        raise Unreachable(f"{name}: not on the PATH, expected a {name} (on Debian and Ubuntu: apt install {package})")
    return Path(found)


def kafka_jars() -> Path:
    """Gives a folder with the broker's jars, which is filled by Maven the first time.

    It lies in the user's cache, by the contents of the pom. Raises `Unreachable` without Maven, or where that fails.
    """
    cache = Path.home() / ".cache" / "trimtab"
    jars = cache / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"
    if not jars.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _turn(cache / "kafka.lock"):
            if not jars.exists():
                _bring(jars)
    return jars


@contextmanager
def _turn(path: Path) -> Iterator[None]:
    """Two processes that need the jars take turns: the second finds them there."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _bring(jars: Path) -> None:
    maven = find_program("mvn", "maven")
    with tempfile.TemporaryDirectory(dir=jars.parent, prefix="kafka-") as folder:
        command: list[str | Path] = [
            maven, "--quiet", "--batch-mode", "--file", _POM, _PLUGIN, "-DincludeScope=runtime",
            f"-DoutputDirectory={folder}/jars",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_S, check=False)  # noqa: S603 - our own pom
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"maven: the jars of Kafka did not come within {_DOWNLOAD_S:.0f} s") from error
        if done.returncode != 0:
            raise Unreachable(f"maven: the jars of Kafka did not come: {(done.stdout + done.stderr)[-2000:].strip()}")
        Path(folder, "jars").rename(jars)
