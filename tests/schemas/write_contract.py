"""Writes what the tests hold later releases to: samples of records, and the shape of all of them.

    cd tests && ../.venv/bin/python -m schemas.write_contract

To be run after a field or a kind of record was added, or a version raised. It adds samples that are missing, never
writes over one (that is what an older release wrote), and records the present shape only where nothing breaks. So
nobody edits `shapes.json` by hand: what it refuses needs a version.
"""

import json
import sys
from pathlib import Path
from typing import Final

from schemas.compatibility import breaks
from schemas.records import SAMPLES, Sample, title
from schemas.shapes import Shape, shapes

SAMPLES_FOLDER: Final = Path(__file__).parent / "samples"
SHAPES_FILE: Final = Path(__file__).parent / "shapes.json"


def place(sample: Sample) -> Path:
    """Gives the file of a sample, within the folder of samples: by the version that its record tells."""
    rows = sample.plain if isinstance(sample.plain, list) else [sample.plain]
    return Path(f"v{rows[0]['v']}") / title(sample)


def recorded_shapes(file: Path = SHAPES_FILE) -> dict[str, Shape]:
    """Gives the shapes that were recorded last; none before the first time."""
    recorded: dict[str, Shape] = json.loads(file.read_text()) if file.exists() else {}
    return recorded


def write(folder: Path = SAMPLES_FOLDER, file: Path = SHAPES_FILE) -> list[Path]:
    """Writes what is new, and gives the files. Raises `SystemExit` with the reasons where the shape breaks."""
    problems = breaks(recorded_shapes(file), shapes())
    if problems:
        raise SystemExit("\n".join([*problems, "nothing was written: raise the version of what changed"]))
    written = []
    for sample in SAMPLES:
        path = folder / place(sample)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sample.payload)
            written.append(path)
    text = json.dumps(shapes(), indent=1) + "\n"
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
        written.append(file)
    return written


if __name__ == "__main__":
    for changed in write():
        sys.stdout.write(f"{changed}\n")
