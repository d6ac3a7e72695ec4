"""The environment that quixstreams runs in, made once: its pin of confluent-kafka collides with ours."""

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

_VERSION: Final = "3.28.1"
_HOME: Final = Path.home() / ".cache" / "trimtab" / f"quixstreams-{_VERSION}"
_INSTALL_S: Final = 300.0


def quix_python() -> Path:
    """Gives the Python that has quixstreams."""
    python = _HOME / "bin" / "python"
    if not (_HOME / "ready").exists():
        print(f"making an environment for quixstreams {_VERSION}", file=sys.stderr)
        venv.create(_HOME, with_pip=True, clear=True)
        wanted = [f"quixstreams=={_VERSION}", "msgspec", "numpy"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, timeout=_INSTALL_S)
        (_HOME / "ready").touch()
    return python
