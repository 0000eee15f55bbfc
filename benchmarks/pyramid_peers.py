"""The programs that make pyramids beside PathServe, each in an environment of its own.

``python -m benchmarks.pyramid_peers FOLDER`` sets the environments up, once. `benchmarks.pyramids` runs this file in
them, so that it imports nothing at the top that is not Python's own.
"""

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

QUALITY = 78
"""JPEG quality at which PathServe makes the levels that a scan lacks."""

TILE = 240
"""Tile size of the made slides."""

PYVIPS, LARGE_IMAGE = "pyvips", "large_image"
PACKAGES: Mapping[str, Sequence[str]] = {
    PYVIPS: ("pyvips==3.2.0", "pyvips-binary==8.18.7"),
    LARGE_IMAGE: (
        "large-image-converter==1.35.6", "large-image-source-tiff==1.35.6", "large-image-source-vips==1.35.6",
        "pyvips==3.2.0", "pyvips-binary==8.18.7",
    ),
}  # fmt: skip
"""What each environment holds; their own dependencies are the newest ones that fit."""

TIFFSAVE, DZSAVE, CONVERTER, VERSIONS = "tiffsave", "dzsave", "converter", "versions"


def set_up(folder: Path) -> None:
    """Make the environments that are not there yet."""
    for name, packages in PACKAGES.items():
        if not python_of(folder, name).exists():
            venv.create(folder / name, with_pip=True)
        subprocess.run([python_of(folder, name), "-m", "pip", "install", "--quiet", *packages], check=True)


def python_of(folder: Path, name: str) -> Path:
    """Where the interpreter of an environment lies."""
    return folder / name / "bin" / "python"


def command(folder: Path, what: str, source: Path, target: Path) -> list[str]:
    """Give the command that makes a whole pyramid of ``source``."""
    if what == CONVERTER:
        program = folder / LARGE_IMAGE / "bin" / "large_image_converter"
        options = ["--compression", "jpeg", "--quality", str(QUALITY), "--tile", str(TILE), "--silent", "--overwrite"]
        return [str(program), *options, str(source), str(target)]
    return [str(python_of(folder, PYVIPS)), __file__, what, str(source), str(target)]


def versions(folder: Path) -> dict[str, dict[str, str]]:
    """Say what is installed in each environment."""
    found = {}
    for name in PACKAGES:
        answer = subprocess.run([python_of(folder, name), __file__, VERSIONS], stdout=subprocess.PIPE, check=True)
        found[name] = json.loads(answer.stdout)
    return found


def main() -> None:
    match sys.argv[1:]:
        case [what, source, target] if what in (TIFFSAVE, DZSAVE):
            _save(what, source, target)
        case [what] if what == VERSIONS:
            print(json.dumps({each.name: each.version for each in distributions()}))
        case [folder] if not folder.startswith("-"):
            set_up(Path(folder))
            print(json.dumps(versions(Path(folder)), indent=2))
        case _:
            print(__doc__)
            sys.exit(2)


def _save(what: str, source: str, target: str) -> None:
    # pathserve has no pyvips: only the peers' interpreter comes here.
    pyvips = __import__("pyvips")
    image = pyvips.Image.new_from_file(source, access="sequential")
    if what == TIFFSAVE:
        image.tiffsave(
            target,
            tile=True,
            tile_width=TILE,
            tile_height=TILE,
            pyramid=True,
            compression="jpeg",
            Q=QUALITY,
            bigtiff=True,
        )
    else:
        image.dzsave(target, tile_size=TILE, overlap=0, suffix=f".jpg[Q={QUALITY}]")


if __name__ == "__main__":
    main()
