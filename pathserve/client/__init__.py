"""A light client for pipelines: regions, masks, pairs and annotations of a server, as numpy arrays and GeoJSON.

x and y are level-0 pixels (fractions allowed), width and height output pixels; arrays are (h, w) or (h, w, 3).
"""

from pathserve.client.annotations import Filters, Happening
from pathserve.client.client import Client
from pathserve.client.slide import Pair, Slide

__all__ = ["Client", "Filters", "Happening", "Pair", "Slide"]
