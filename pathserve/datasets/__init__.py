"""From stored annotations to masks and tile-mask pairs: the bridge between labels and pixels."""

from pathserve.datasets.pair import TileMaskPair, encode_pair_npz
from pathserve.datasets.source import draw_columns, draw_mask, read_mask, schema_of

__all__ = ["TileMaskPair", "draw_columns", "draw_mask", "encode_pair_npz", "read_mask", "schema_of"]
