"""Label and macro pictures, kept only when somebody asks for it: apart from the slides, for the owner alone."""

import shutil
from pathlib import Path

import simplejpeg

from pathserve.config import Settings
from pathserve.errors import NotFound
from pathserve.pyramid.manifest import fsync_folder
from pathserve.slides.associated import NAMES
from pathserve.worker.pictures import SUFFIX


def keep_pictures(settings: Settings, slide_id: str, written: Path) -> None:
    """Make what a worker wrote the slide's pictures, in one step; an empty folder changes nothing."""
    if not any(written.iterdir()):
        return
    labels = _labels(settings)
    labels.mkdir(mode=0o700, parents=True, exist_ok=True)
    forget_pictures(settings, slide_id)
    fsync_folder(written)
    written.rename(labels / slide_id)
    fsync_folder(labels)


def kept_pictures(settings: Settings, slide_id: str) -> tuple[str, ...]:
    """Name the pictures that are kept of a slide."""
    return tuple(name for name in NAMES if _place(settings, slide_id, name).is_file())


def picture_bytes(settings: Settings, slide_id: str, name: str) -> bytes:
    """Give a kept picture as a JPEG.

    Parameters
    ----------
    slide_id
        Of a slide in the catalog, so never a path.

    Raises
    ------
    NotFound
        When none is kept.
    """
    if name not in NAMES:
        raise NotFound("A slide has a label, a macro and a thumbnail, and no other picture.")
    try:
        return _place(settings, slide_id, name).read_bytes()
    except OSError:
        raise NotFound(f"No {name} is kept of this slide; `pathserve ingest --keep-label` keeps it.") from None


def damaged_pictures(settings: Settings, slide_id: str) -> tuple[str, ...]:
    """Name the kept pictures of a slide that cannot be decoded any more."""
    damaged = []
    for name in kept_pictures(settings, slide_id):
        try:
            simplejpeg.decode_jpeg(picture_bytes(settings, slide_id, name))
        except (NotFound, ValueError):
            damaged.append(name)
    return tuple(damaged)


def forget_pictures(settings: Settings, slide_id: str) -> None:
    """Delete the pictures of a slide, if there are any."""
    shutil.rmtree(_labels(settings) / slide_id, ignore_errors=True)


def _labels(settings: Settings) -> Path:
    return settings.data / "labels"


def _place(settings: Settings, slide_id: str, name: str) -> Path:
    return _labels(settings) / slide_id / (name + SUFFIX)
