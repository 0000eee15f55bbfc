"""DICOM files to an open scan."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pathserve.errors import Corrupt, NotFound, TooLarge, Unsupported
from pathserve.slides.dicom.instance import Instance, open_instance
from pathserve.slides.dicom.source import DicomSource, ScanPlan
from pathserve.slides.dicom.values import HEADER_ERRORS, text
from pathserve.slides.dicom.volume import plan_volume
from pathserve.slides.dicom.wsm import plan_slide
from pathserve.slides.limits import MAX_PLANES

MAX_FILES = 2 * MAX_PLANES
"""Most files of one scan: a volume has one a plane, and may be there twice."""

_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def open_dicom(files: Sequence[Path], scene: int = 0) -> DicomSource:
    """Open the files of one series: as a slide when any of them shows one, else as volumes.

    Memory: the headers of all files while it opens, some 50 KiB each.

    Parameters
    ----------
    scene
        Which of its ``info.scenes`` pictures.

    Raises
    ------
    NotFound
        When a file, or the scene, is not there.
    Unsupported
        When they hold no picture, or one of a kind that is not read.
    Corrupt, TooLarge
        When one is damaged, or claims more than the limits allow.
    """
    if len(files) > MAX_FILES:
        raise TooLarge(f"A DICOM scan may consist of at most {MAX_FILES:,} files.")
    # pydicom warns of many a harmless fault, and its warnings hold values.
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        try:
            instances = []
            for path in files:
                instances.append(open_instance(path))
                stack.callback(instances[-1].source.close)
            plan = _plan(_each_once(files, instances), scene)
        except HEADER_ERRORS:
            raise Corrupt("The header of a DICOM file is damaged.") from None
        return DicomSource(plan, stack.pop_all().close)


def _each_once(files: Sequence[Path], instances: list[Instance]) -> list[Instance]:
    """Leave out files that are a copy of another one, byte by byte; only those of the same identifier are compared."""
    names = [text(instance.dataset, "SOPInstanceUID") for instance in instances]
    shared = {name for name, count in Counter(names).items() if count > 1}
    kept: dict[tuple[str, bytes], Instance] = {}
    for path, name, instance in zip(files, names, instances, strict=True):
        kept.setdefault((name, _digest(path) if name in shared else b""), instance)
    return list(kept.values())


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        raise NotFound("A file of the scan cannot be read.") from None


def _plan(instances: list[Instance], scene: int) -> ScanPlan:
    pictures = [instance for instance in instances if instance.frames > 0]
    if not pictures:
        raise Unsupported(
            "This DICOM file is an index (DICOMDIR), not a scan: name the folder of the files that it lists."
            if any("DirectoryRecordSequence" in instance.dataset for instance in instances)
            else "This DICOM file holds no picture."
        )
    slides = [instance for instance in pictures if _kind(instance) == _SLIDE]
    if slides:
        return plan_slide(slides, scene)
    scans = [instance for instance in pictures if _kind(instance) not in _SEGMENTATIONS]
    if not scans:
        raise Unsupported("This DICOM file holds a segmentation, which is no scan.")
    return plan_volume(scans, scene)


def _kind(instance: Instance) -> str:
    return text(instance.dataset, "SOPClassUID")
