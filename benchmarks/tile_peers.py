"""The tile servers beside PathServe that need environments of their own, and nginx.

``python -m benchmarks.tile_peers FOLDER [--without-tiatoolbox]`` sets the environments up, once, and prints all
versions. nginx is apt's to install: ``apt-get install nginx-light``.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

from benchmarks.pyramid_peers import install, python_of, versions_in

LARGE_IMAGE, TIATOOLBOX, NGINX = "large_image-tiles", "tiatoolbox", "nginx"

_SERVER = tuple(f"{name}=={version(name)}" for name in ("starlette", "uvicorn", "uvloop", "httptools"))
"""The web server of the peers is the very one that PathServe has here."""

_LARGE_IMAGE = ("large-image==1.35.6", "large-image-source-tiff==1.35.6")
_TORCH = ("torch==2.13.0+cpu",)
_ALONE = ("--no-deps", "tiatoolbox==2.1.3", "torchvision==0.28.0", "timm==1.0.27")
_BESIDE = ("a2wsgi==1.10.10", "opencv-python-headless<5", "psutil")
_LEFT_OUT = {"torch", "torchvision", "timm", "opencv-python", "jupyterlab", "ipywidgets", "sphinx"}
"""Requirements of TIAToolbox 2.1.3 that are not installed as it asks: it wants torch below 2.13, which has wheels with
CUDA, of several GB, where only the wheel for the CPU is wanted; notebooks and documentation make no tiles."""

_COMPLETE = "complete"
_REQUIRED = "import json, importlib.metadata as m; print(json.dumps(m.requires('tiatoolbox')))"
_SHOWN = {
    LARGE_IMAGE: ("large-image", "large-image-source-tiff", "pillow", "pylibtiff", "numpy", "cachetools"),
    TIATOOLBOX: ("tiatoolbox", "flask", "a2wsgi", "openslide-python", "openslide-bin", "pillow", "numpy", "torch"),
}


def set_up(folder: Path, *, tiatoolbox: bool) -> None:
    """Make the environments that are not there yet."""
    find_nginx()
    install(folder, LARGE_IMAGE, (*_LARGE_IMAGE, *_SERVER))
    (folder / LARGE_IMAGE / _COMPLETE).touch()
    if tiatoolbox:
        install(folder, TIATOOLBOX, _TORCH)
        install(folder, TIATOOLBOX, _ALONE)
        python = python_of(folder, TIATOOLBOX)
        answer = subprocess.run([python, "-c", _REQUIRED], stdout=subprocess.PIPE, check=True)
        install(folder, TIATOOLBOX, (*_needed(json.loads(answer.stdout)), *_BESIDE, *_SERVER))
        (folder / TIATOOLBOX / _COMPLETE).touch()


def _needed(required: Sequence[str]) -> list[str]:
    names = {each: re.split(r"[^A-Za-z0-9_.-]", each, maxsplit=1)[0].lower() for each in required}
    return [each for each, name in names.items() if name not in _LEFT_OUT and "extra ==" not in each]


def has(folder: Path, name: str) -> bool:
    """Tell whether an environment was set up to the end."""
    return (folder / name / _COMPLETE).exists()


def find_nginx() -> str:
    """Give nginx's program; Debian keeps it where only root looks."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        print("The benchmark needs nginx: apt-get install nginx-light", file=sys.stderr)
        sys.exit(1)
    return found


def versions(folder: Path) -> dict[str, dict[str, str]]:
    """Say what is installed of what makes and sends the peers' tiles."""
    answer = subprocess.run([find_nginx(), "-v"], stderr=subprocess.PIPE, check=True)
    found = {NGINX: {"nginx": answer.stderr.decode().strip().rpartition("/")[2]}}
    for name in filter(partial(has, folder), _SHOWN):
        installed = {package.lower(): number for package, number in versions_in(folder, name).items()}
        found[name] = {package: installed.get(package, "") for package in _SHOWN[name]}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without-tiatoolbox", action="store_true", help="it takes 2.5 GB and some minutes")
    arguments = parser.parse_args()
    set_up(arguments.folder, tiatoolbox=not arguments.without_tiatoolbox)
    print(json.dumps(versions(arguments.folder), indent=2))


if __name__ == "__main__":
    main()
