"""The last weights on disk, so that a start without Redis still has them."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from trimtab.schemas.decision import WeightsRecord, decode_weights, encode
from trimtab.schemas.errors import InvalidRecord


class Cache:
    """One file per release, `RELEASE.json`, each always whole: it is replaced, never written into."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, "expected a folder for the last weights", str(folder)) from None
        self._folder = folder

    def load(self, releases: Iterable[str]) -> tuple[list[WeightsRecord], int]:
        """Gives the records found, and the number of files that hold none, or one of another release."""
        records, invalid = [], 0
        for release in releases:
            try:
                records.append(self._read(release))
            except FileNotFoundError:
                continue
            except (OSError, InvalidRecord):
                invalid += 1
        return records, invalid

    def store(self, record: WeightsRecord) -> None:
        """Replaces the file of the record's release. Raises `OSError` where that fails; the old file then stays."""
        path = self._path(record.release)
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            with draft.open("wb") as file:
                file.write(encode(record))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def _path(self, release: str) -> Path:
        return self._folder / f"{release}.json"

    def _read(self, release: str) -> WeightsRecord:
        record = decode_weights(self._path(release).read_bytes())
        if record.release != release:
            raise InvalidRecord(f"release {record.release}: expected {release} in {self._path(release)}")
        return record
