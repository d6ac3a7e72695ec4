"""What a catalogue knows of the demo's models: what each of them learned from, and how often it is right."""

import getpass
import time
from pathlib import Path
from typing import Any, Final

import yaml

from trimtab.catalog.address import open_store
from trimtab.catalog.entry import Change
from trimtab.catalog.model_file import load_nodes
from trimtab.control.demo.models.acts import CORRUPTED, FAST, FRESH, MODEL, NAMES, RELEASE
from trimtab.control.demo.models.zoo import digits, train

_SCANS, _LABELS, _MIXED_UP = "digits", "digits-labels", "digits-labels-mixed-up"
_ALIASES: Final = {FAST: "champion", FRESH: "challenger"}


def settings_with_catalogue(folder: Path) -> Path:
    """Fills a catalogue in `folder`, which takes a second or two, and gives settings for `trimtab serve` to read it."""
    address = f"sqlite:///{folder / 'catalog.db'}"
    store = open_store(address)
    try:
        nodes = tuple(load_nodes(catalogue(), "the demo's models"))
        store.write(Change(nodes=nodes, actor=getpass.getuser(), time_s=int(time.time())))
    finally:
        store.close()
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump({"catalog": {"url": address}}))
    return file


def catalogue() -> str:
    """Gives what is known as a file of `trimtab models register`; trains the models to see how often they are right."""
    nodes: list[dict[str, Any]] = [
        {"kind": "dataset", "name": _SCANS, "description": "handwritten digits, 8 by 8 pixels", "privacy": "public"},
        {"kind": "dataset", "name": _LABELS, "restsOn": [f"dataset/{_SCANS}"]},
        {
            "kind": "dataset", "name": _MIXED_UP, "description": "rows of two files, mixed up",
            "restsOn": [f"dataset/{_LABELS}"],
        },
    ]  # fmt: skip
    for name, words in NAMES.items():
        nodes += [_run(name), _model(name, words), _deployment(name)]
    return str(yaml.safe_dump_all(nodes, sort_keys=False))


def _run(name: str) -> dict[str, Any]:
    learned_from = _MIXED_UP if name == CORRUPTED else _LABELS
    return {"kind": "run", "name": f"{MODEL}-{name}", "restsOn": [f"dataset/{learned_from}"]}


def _model(name: str, words: str) -> dict[str, Any]:
    _, unseen = digits()
    right = (train(name).predict_proba(unseen.images).argmax(axis=1) == unseen.truth).mean()
    return {
        "kind": "model", "name": MODEL, "version": name, "description": words, "environment": ["demo"],
        "aliases": [_ALIASES[name]] if name in _ALIASES else [], "privacy": "public", "blessed": name != CORRUPTED,
        "restsOn": [f"run/{MODEL}-{name}"],
        "performance": [{"metric": "accuracy", "value": round(float(right), 4), "count": len(unseen.truth)}],
    }  # fmt: skip


def _deployment(name: str) -> dict[str, Any]:
    return {
        "kind": "deployment", "name": f"{MODEL}-{name}", "release": RELEASE, "variant": name,
        "restsOn": [f"model/{MODEL}:{name}"],
    }  # fmt: skip
