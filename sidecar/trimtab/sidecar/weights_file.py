"""A file that holds the weights: whoever reads it finds the old ones or the new ones, whole."""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from trimtab.schemas.decision import WeightsRecord
from trimtab.sidecar.follower import NotTaken
from trimtab.sidecar.handover import document

_MODE: Final = 0o644
"""Others read it; who writes it is the sidecar."""


class WeightsFile:
    """Replaces a file with each change of weights."""

    def __init__(self, path: Path) -> None:
        """Raises `ValueError` for a path that no file can be written at."""
        folder = path.parent
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            problem = "a folder" if path.is_dir() else f"{folder} is not a folder that can be written to"
            raise ValueError(f"path {path}: {problem}")
        if path.exists() and not path.is_file():  # to replace /dev/null would be the end of it
            raise ValueError(f"path {path}: expected a file, found something else")
        self._path = path

    async def bring(self, records: Sequence[WeightsRecord]) -> None:
        """Replaces it. Raises `NotTaken` where that fails; the old one is there as it was then."""
        try:
            await asyncio.to_thread(self._replace, document(records))
        except OSError as error:
            raise NotTaken(f"cannot write {self._path}: {error.strerror}") from error

    def _replace(self, content: bytes) -> None:
        number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                os.fchmod(number, _MODE)
                file.write(content)
                file.flush()
                os.fsync(number)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
