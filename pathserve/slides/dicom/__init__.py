"""DICOM: slides (VL Whole Slide Microscopy) as pyramids, series of other pictures as volumes.

pydicom parses the headers; frames are found and read here, one at a time, by their places in the file. What this
package gives by itself needs no pydicom: :mod:`pathserve.slides.dicom.opening`, which does, is loaded with the first
DICOM scan.
"""

from pathserve.slides.dicom.bytesource import is_dicom
from pathserve.slides.dicom.group import group_files, series_of

__all__ = ["group_files", "is_dicom", "series_of"]
