"""Makes .venv at the root of the repository and keeps it in step with pyproject.toml and constraints.txt.

    python .ci/environment.py demo|dev

Uses uv where it is on the PATH, else venv and pip. Runs on the standard library alone, since it comes before anything
is installed. What it did last is written to a stamp in .venv, so that the next run has nothing to do.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv"
PYTHON = HOME / "bin" / "python"
COVERED_BY = {"demo": ("demo", "dev"), "dev": ("dev",)}
"""extra -> the extras that bring everything in it"""


class SetupFailed(Exception):
    """The environment could not be made; the message says why."""


def ensure(extra: str) -> None:
    """Leaves .venv with everything that `extra` asks for. Two runs at a time take turns."""
    if _is_current(extra):
        return
    HOME.mkdir(exist_ok=True)
    with _turn():
        if _is_current(extra):
            return
        uv = shutil.which("uv")
        if _python_version() is None:
            _make(uv)
        _install(uv, extra)
        _stamp(extra).write_text(_fingerprint())


def _stamp(extra: str) -> Path:
    return HOME / f".trimtab-{extra}"


def _fingerprint() -> str:
    """Changes with whatever the environment was made from; its place included, since scripts in it name their own."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*files, bytes(ROOT)])).hexdigest()


def _is_current(extra: str) -> bool:
    wanted = _fingerprint()
    stamps = [_stamp(covering) for covering in COVERED_BY[extra]]
    return PYTHON.exists() and any(stamp.exists() and stamp.read_text() == wanted for stamp in stamps)


def _python_version() -> str | None:
    """Gives the version of the Python in .venv, or None where there is none that can be used."""
    program = "import sys; print('%d.%d.%d' % sys.version_info[:3]); sys.exit(sys.version_info < (3, 11))"
    moved = (HOME / ".trimtab-place").exists() and (HOME / ".trimtab-place").read_text() != str(ROOT)
    if moved or not PYTHON.exists():
        return None
    done = subprocess.run([PYTHON, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603 - our own
    return done.stdout.strip() if done.returncode == 0 else None


def _make(uv: str | None) -> None:
    for leftover in ("bin", "include", "lib", "lib64", "pyvenv.cfg"):
        path = HOME / leftover
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
    tool = "uv" if uv else "venv"
    command = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable] if uv else [
        sys.executable, "-m", "venv",
    ]  # fmt: skip
    version = ".".join(map(str, sys.version_info[:3]))
    with _stage(f"Making .venv with Python {version} ({tool})"):
        _call([*command, str(HOME)], hint=None if uv else _VENV_HINT)
    (HOME / ".trimtab-place").write_text(str(ROOT))


_VENV_HINT = (
    "This Python cannot make environments. On Debian and Ubuntu the package python3-venv is missing;\n"
    "with uv on the PATH it is not needed."
)


def _install(uv: str | None, extra: str) -> None:
    target = ["--constraint", str(ROOT / "constraints.txt"), "--editable", f"{ROOT}[{extra}]"]
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), *target]
    else:
        if subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode:  # noqa: S603 - our own
            with _stage("Adding pip to .venv"):
                _call([str(PYTHON), "-m", "ensurepip"], hint=_VENV_HINT)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *target]
    with _stage(f"Installing trimtab[{extra}] with {'uv' if uv else 'pip'} (a minute or two at first)"):
        _call(command)
    with _stage("Compiling the engine's arithmetic (half a minute at first)"):
        _call([str(PYTHON), "-m", "trimtab.engine.warm"])


def _call(command: list[str], hint: str | None = None) -> None:
    """Runs `command` in silence. Raises `SetupFailed` with all that it wrote, if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        words = [f"{' '.join(command)}\nfailed with exit code {done.returncode}:", done.stdout.strip(), hint]
        raise SetupFailed("\n".join(word for word in words if word))


@contextmanager
def _turn() -> Iterator[None]:
    """Holds the environment's lock, which the system frees even if this process is killed."""
    with (HOME / ".trimtab-lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with _stage("Another run is making .venv; waiting for it"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _stage(title: str) -> Iterator[None]:
    """Says what is going on, and for how many seconds it went on; on a terminal it counts along."""
    started, over = time.monotonic(), threading.Event()
    counter = threading.Thread(target=_count, args=(title, started, over), daemon=True)
    _say(f"{title} ...", end="")
    if sys.stderr.isatty():
        counter.start()
    verdict = "failed after"
    try:
        yield
        verdict = "done in"
    finally:
        over.set()
        if counter.ident:
            counter.join()
        start = f"\r{title} ..." if sys.stderr.isatty() else ""
        _say(f"{start} {verdict} {time.monotonic() - started:.1f} s")


def _count(title: str, started: float, over: threading.Event) -> None:
    while not over.wait(1.0):
        _say(f"\r{title} ... {time.monotonic() - started:.0f} s", end="")


def _say(text: str, end: str = "\n") -> None:
    sys.stderr.write(text + end)
    sys.stderr.flush()


def main() -> int:
    """Runs the command line."""
    try:
        ensure(sys.argv[1])
    except SetupFailed as failure:
        _say(str(failure))
        return 3
    except OSError as error:
        _say(f"Could not make {HOME}: {error}")
        return 3
    except KeyboardInterrupt:
        _say("\nStopped. What was installed so far is kept; the next run goes on from there.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
