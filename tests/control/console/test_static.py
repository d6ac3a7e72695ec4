"""The files of the console, as they lie in the package."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

from trimtab.control.console import STATIC

WIRE_BYTES = 150_000
"""What one visit may load in all, as `trimtab serve` sends it."""

VENDOR = STATIC / "vendor"
OURS = sorted(file for file in STATIC.iterdir() if file.is_file())
SCRIPTS = [file for file in OURS if file.suffix == ".js"]


def _sums() -> dict[str, str]:
    lines = (VENDOR / "SHA256SUMS").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def test_vendored_files_are_those_of_the_list() -> None:
    found = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in VENDOR.iterdir()}
    del found["SHA256SUMS"]
    assert found == _sums()


@pytest.mark.parametrize("name", ["LICENSE-uPlot.txt", "LICENSE-Inter.txt"])
def test_what_is_vendored_comes_with_its_licence(name: str) -> None:
    assert "Copyright" in (VENDOR / name).read_text()


def _on_the_wire(file: Path) -> int:
    content = file.read_bytes()
    return len(content) if file.suffix == ".woff2" else len(gzip.compress(content, 6))


def test_all_that_a_browser_loads_is_small() -> None:
    loaded = [file for file in STATIC.rglob("*") if file.suffix in {".js", ".css", ".html", ".svg", ".woff2"}]
    assert len(loaded) > len(SCRIPTS)
    assert sum(map(_on_the_wire, loaded)) < WIRE_BYTES


def test_the_page_has_no_script_or_style_of_its_own() -> None:
    page = (STATIC / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|\sstyle=|javascript:", page) == []


@pytest.mark.parametrize("file", OURS, ids=lambda file: file.name)
def test_no_file_of_ours_names_another_host(file: Path) -> None:
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w{2,}[^\s\"')]*", file.read_text()))
    assert addresses <= {"http://www.w3.org/2000/svg"}, "the name space of SVG is no address"


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_no_script_reads_markup_or_runs_text(file: Path) -> None:
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc"
    assert re.findall(ways, file.read_text()) == []


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_every_module_that_is_imported_is_there(file: Path) -> None:
    for name in re.findall(r"from \"\./([\w.]+)\"", file.read_text()):
        assert (STATIC / name).is_file(), f"{file.name} imports {name}"


def test_everything_that_the_page_names_is_there() -> None:
    named = re.findall(r"(?:src|href)=\"([^\"#]+)\"", (STATIC / "index.html").read_text())
    assert [name for name in named if not (STATIC / name).is_file()] == []
    assert len(named) >= 8
