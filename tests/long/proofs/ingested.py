"""A data folder after something happened to an ingest: is anything that can be seen wrong, and does a rerun mend it?"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import openslide

from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.errors import PathServeError
from pathserve.geometry import LevelRegion
from pathserve.ingest import IngestOptions, ingest_scan
from pathserve.pyramid import Pyramid, verify_pyramid

WHOLE_PROGRAM = """
import sys
from pathlib import Path
from pathserve.catalog import Catalog
from pathserve.config import Settings
from pathserve.db import open_database
from pathserve.errors import PathServeError
from pathserve.ingest import IngestOptions, ingest_scan
settings = Settings(data=Path(sys.argv[1]), disk_reserve_bytes=0)
def progress(state):
    print(state.phase, state.done, state.total, flush=True)
try:
    database = open_database(settings.database)
    options = IngestOptions(workers=2)
    (outcome,) = ingest_scan(
        Path(sys.argv[2]), settings=settings, catalog=Catalog(database), options=options, progress=progress
    )
    database.close()
except PathServeError as error:
    sys.exit(error.message)
print("resumed" if outcome.resumed else "fresh", flush=True)
"""
"""Ingests the scan named by its second argument into the data folder named by the first; prints its progress.

It keeps nothing of the disk free, so that a full one is met where it hurts: in the middle of a write.
"""


def files_of(folder: Path) -> dict[str, str]:
    """List every file under a folder with the digest of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def picture_of(scan: Path) -> npt.NDArray[np.uint8]:
    """Give level 0 as OpenSlide decodes it."""
    with openslide.OpenSlide(scan) as opened:
        return np.asarray(opened.read_region((0, 0), 0, opened.dimensions).convert("RGB"))


@dataclass(slots=True)
class Judge:
    """Knows what an undisturbed ingest makes of a scan.

    Parameters
    ----------
    files
        Of the published slide, by path, with their digests.
    """

    scan: Path
    files: dict[str, str]
    picture: npt.NDArray[np.uint8]
    _right: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, scan: Path, folder: Path) -> "Judge":
        """Ingest a scan, undisturbed, into an empty folder."""
        judge = cls(scan, {}, picture_of(scan))
        assert judge.rerun(folder) == ""
        (slide,) = (folder / "slides").glob("*.zarr")
        judge.files = files_of(slide)
        return judge

    def wrong(self, data: Path) -> list[str]:
        """List what somebody who opens the folder would see and that is wrong."""
        settings = Settings(data=data)
        try:
            database = open_database(settings.database)
        except PathServeError as error:
            return [f"the database: {error.message}"]
        try:
            slides, _ = Catalog(database).slides()
        finally:
            database.close()
        found = [f"listed {each}" for slide in slides for each in self._wrong_slide(data, slide.id, slide.status)]
        for folder in (data / "slides").glob("*.zarr"):
            found += [f"published {each}" for each in self._wrong_pyramid(folder)]
        return found

    def _wrong_slide(self, data: Path, slide: str, status: str) -> list[str]:
        folder = data / "slides" / f"{slide}.zarr"
        if not folder.is_dir():
            return ["without its pyramid"]
        if status == "ready" and Pyramid.open(folder).manifest.missing_levels:
            return ["as ready while levels are missing"]
        return []

    def _wrong_pyramid(self, folder: Path) -> list[str]:
        try:
            damage = [place.message for place in verify_pyramid(folder)]
        except PathServeError as error:
            return [error.message]
        manifest = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
        if damage or manifest in self._right:
            return damage
        size = LevelRegion(0, 0, self.picture.shape[1], self.picture.shape[0])
        if not np.array_equal(Pyramid.open(folder).read(0, size), self.picture):
            return ["with other pixels than the scan's"]
        self._right.add(manifest)
        return []

    def rerun(self, data: Path) -> str:
        """Ingest again; say what differs from an undisturbed ingest, or nothing."""
        settings = Settings(data=data)
        database = open_database(settings.database)
        try:
            options = IngestOptions(workers=2)
            catalog = Catalog(database)
            (made,) = ingest_scan(
                self.scan, settings=settings, catalog=catalog, options=options, progress=lambda _: None
            )
            slides, _ = catalog.slides()
        finally:
            database.close()
        folders = list(settings.slides.glob("*.zarr"))
        if [slide.id for slide in slides] != [made.slide.id] or len(folders) != 1:
            return f"{len(slides)} slides are listed and {len(folders)} published"
        if slides[0].status != "ready":
            return "the slide is not ready"
        left = [path for name in (".staging", ".trash") for path in (settings.slides / name).glob("*")]
        if left:
            return f"{len(left)} entries are left in staging"
        if self.files and files_of(folders[0]) != self.files:
            return "the slide's files differ"
        return ""
