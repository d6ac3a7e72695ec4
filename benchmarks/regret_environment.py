"""The environment that River and MABWiser run in, made once: the latter brings much along."""

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

RIVER: Final = "0.26.1"
MABWISER: Final = "2.7.4"
_HOME: Final = Path.home() / ".cache" / "trimtab" / f"bandits-{RIVER}-{MABWISER}"
_INSTALL_S: Final = 600.0


def peers_python() -> Path:
    """Gives the Python that has River and MABWiser."""
    python = _HOME / "bin" / "python"
    if not (_HOME / "ready").exists():
        print(f"making an environment for River {RIVER} and MABWiser {MABWISER}", file=sys.stderr)
        venv.create(_HOME, with_pip=True, clear=True)
        wanted = [f"river=={RIVER}", f"mabwiser=={MABWISER}"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, timeout=_INSTALL_S)
        (_HOME / "ready").touch()
    return python
