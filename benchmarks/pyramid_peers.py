"""The programs that make pyramids beside PathServe, each in an environment of its own.

``python -m benchmarks.pyramid_peers FOLDER`` sets the environments up, once. `benchmarks.pyramids` runs this file in
them, so that it imports nothing at the top that is not Python's own.
"""

import json
import shutil
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
OPENSLIDE_TIFFSAVE, OPENSLIDE_DZSAVE = "openslide-tiffsave", "openslide-dzsave"
"""The same by Debian's `vips` (libvips-tools), which reads slides through OpenSlide; PyPI's has libtiff alone."""

_SAVED_AS = {
    OPENSLIDE_TIFFSAVE: f"[tile,tile-width={TILE},tile-height={TILE},pyramid,compression=jpeg,Q={QUALITY},bigtiff]",
    OPENSLIDE_DZSAVE: f"[tile-size={TILE},overlap=0,suffix=.jpg[Q={QUALITY}]]",
}


def set_up(folder: Path) -> None:
    """Make the environments that are not there yet; Debian's program is apt's to install."""
    if shutil.which("vips") is None:
        print("The peers need Debian's vips: apt-get install libvips-tools", file=sys.stderr)
        sys.exit(1)
    for name, packages in PACKAGES.items():
        install(folder, name, packages)


def install(folder: Path, name: str, packages: Sequence[str]) -> None:
    """Install packages, and options of pip, into an environment, which is made when it is not there yet."""
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
    if what in _SAVED_AS:
        saved = target.with_suffix(".dz" if what == OPENSLIDE_DZSAVE else ".tif")
        # OpenSlide gives transparency as a fourth band.
        return ["vips", "extract_band", str(source), f"{saved}{_SAVED_AS[what]}", "0", "--n", "3"]
    return [str(python_of(folder, PYVIPS)), __file__, what, str(source), str(target)]


def versions(folder: Path) -> dict[str, dict[str, str]]:
    """Say what is installed in each environment."""
    answer = subprocess.run(["vips", "--version"], stdout=subprocess.PIPE, check=True)
    return {**{name: versions_in(folder, name) for name in PACKAGES}, "vips": {"vips": answer.stdout.decode().strip()}}


def versions_in(folder: Path, name: str) -> dict[str, str]:
    """Say what is installed in one environment."""
    answer = subprocess.run([python_of(folder, name), __file__, VERSIONS], stdout=subprocess.PIPE, check=True)
    return dict(json.loads(answer.stdout))


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
