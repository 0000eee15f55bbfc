"""OME-Zarr: the attributes of its groups and arrays, its OME-XML, and files that are neither metadata nor chunks."""

import os
from pathlib import Path

import orjson

from pathserve.slides.identity.findings import Findings
from pathserve.slides.identity.text import MAX_TEXT, decode_text, search_json, search_text

MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")
_JSON = {*MARKS, ".zmetadata"}
_MAX_FILES = 1_000_000
_MAX_DOCUMENTS = 10_000


def is_zarr(folder: Path) -> bool:
    """Tell whether a folder is a Zarr group."""
    return any((folder / mark).is_file() for mark in MARKS)


def search_omezarr(found: Findings, folder: Path) -> None:
    """Note what the store's documents say, and its files and folders whose names are no part of the format."""
    documents = files = 0
    for parent, folders, names in os.walk(folder):
        folders.sort()
        files += len(names)
        if documents > _MAX_DOCUMENTS or files > _MAX_FILES:
            found.stopped("Zarr documents")
            return
        for name in folders:
            if not (name.isdigit() or name in ("c", "labels", "OME")):
                found.add("Zarr groups", "group name", name, kind="file name", known=True)
        for name in sorted(names):
            path = Path(parent) / name
            if name in _JSON:
                documents += 1
                _search_document(found, path, f"Zarr {name}")
            elif name.lower().endswith(".xml"):
                documents += 1
                search_text(found, "Zarr XML", "document", _read(path), kind="free text")
            elif not name.replace(".", "").isdigit() and name != "c":
                found.add("Zarr store", "further file", name, kind="file name", known=True)


def _search_document(found: Findings, path: Path, place: str) -> None:
    text = _read(path)
    try:
        search_json(found, place, orjson.loads(text))
    except orjson.JSONDecodeError:
        search_text(found, place, "document", text, kind="free text")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return decode_text(file.read(MAX_TEXT))
    except OSError:
        return ""
