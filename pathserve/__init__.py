"""PathServe: whole-slide digital-pathology tiling and annotation server."""

__version__ = "0.1.0"
