"""The console: static files, which `trimtab serve` serves."""

from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
