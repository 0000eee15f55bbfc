"""OME-Zarr 0.4 and 0.5, also in the layout of bioformats2raw: a folder is the scan.

Foreign Zarr is hostile. Nothing is decoded before the metadata was checked against lists of what is known: data types,
codecs, sizes of chunks. No path leads out of the folder, and no chunk may decode to more than its metadata says.
"""

from pathserve.slides.omezarr.source import OmeZarrSource, is_zarr

__all__ = ["OmeZarrSource", "is_zarr"]
