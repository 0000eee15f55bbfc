"""Writes cells as GeoJSON: real nuclei, as often as wanted side by side.

``python -m benchmarks.make_cells FILE --count N``: the 1,295 nuclei of the sample field of 1500 px (17 positions each),
laid out in a square of such fields. ``--parquet FILE``: the objects of a GeoParquet file as they are instead.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from uuid import UUID

import numpy as np
import orjson
import shapely

import pathserve

FIELD = 1500
"""Side of the sample field in level-0 pixels."""

_NEST = Path(pathserve.__file__).parent / "_demo" / "hgsc_nest.geojson"
_SEED = 5
_WRITTEN_AT_ONCE = 4096

HEAD, TAIL = b'{"type":"FeatureCollection","features":[', b"]}"
"""What stands around the Features of a written file, each of which has a line of its own."""


def side_of(count: int) -> int:
    """Give the level-0 pixels along one side of the square that ``count`` made cells cover."""
    fields = -(-count // len(_nest()))
    return math.ceil(math.sqrt(fields)) * FIELD


def made(count: int) -> Iterator[bytes]:
    """Give Features of the sample field, again and again, each field beside the last."""
    nest = _nest()
    across = side_of(count) // FIELD
    random = np.random.default_rng(_SEED)
    for number in range(-(-count // len(nest))):
        x, y = number % across * FIELD, number // across * FIELD
        for rings, name, color in nest[: count - number * len(nest)]:
            moved = [[(round(px + x, 2), round(py + y, 2)) for px, py in ring] for ring in rings]
            yield _feature(random.bytes(16), {"type": "Polygon", "coordinates": moved}, name, color)


def of_parquet(path: Path) -> Iterator[bytes]:
    """Give the objects of a GeoParquet file as Features."""
    parquet = import_module("pyarrow.parquet")  # only this source needs it
    random = np.random.default_rng(_SEED)
    colors: dict[str, list[int]] = {}
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=["geometry", "class_name"]):
            names = batch.column("class_name").to_pylist()
            texts = shapely.to_geojson(shapely.from_wkb(batch.column("geometry").to_pylist()))
            for name, text in zip(names, texts, strict=True):
                color = colors.setdefault(name, random.integers(0, 256, 3).tolist())
                yield _feature(random.bytes(16), orjson.loads(text), name, color)


def box_of_parquet(path: Path) -> tuple[float, float, float, float]:
    """Give the box of all objects of a GeoParquet file: x0, y0, x1, y1."""
    parquet = import_module("pyarrow.parquet")
    with parquet.ParquetFile(path) as file:
        boxes = [
            shapely.total_bounds(shapely.from_wkb(batch.column("geometry").to_pylist()))
            for batch in file.iter_batches(columns=["geometry"])
        ]
    x0, y0 = np.min(boxes, axis=0)[:2].tolist()
    x1, y1 = np.max(boxes, axis=0)[2:].tolist()
    return x0, y0, x1, y1


def write(path: Path, features: Iterator[bytes]) -> int:
    """Write a FeatureCollection and give the number of its Features."""
    count, waiting = 0, list[bytes]()
    with path.open("wb") as file:
        file.write(HEAD)
        for feature in features:
            waiting.append(feature)
            count += 1
            if len(waiting) == _WRITTEN_AT_ONCE:
                file.write((b"" if count == _WRITTEN_AT_ONCE else b",\n") + b",\n".join(waiting))
                waiting.clear()
        if waiting:
            file.write((b"" if count == len(waiting) else b",\n") + b",\n".join(waiting))
        file.write(TAIL + b"\n")
    return count


def _feature(id_bytes: bytes, geometry: dict[str, object], name: str, color: Sequence[int]) -> bytes:
    properties = {"objectType": "detection", "classification": {"name": name, "color": color}}
    identity = str(UUID(bytes=id_bytes, version=4))
    return orjson.dumps({"type": "Feature", "id": identity, "geometry": geometry, "properties": properties})


def _nest() -> list[tuple[list[list[tuple[float, float]]], str, list[int]]]:
    found = []
    for feature in orjson.loads(_NEST.read_bytes())["features"]:
        classification = feature["properties"]["classification"]
        found.append((feature["geometry"]["coordinates"], classification["name"], classification["color"]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Write cells as GeoJSON.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--parquet", type=Path)
    options = parser.parse_args()
    features = made(options.count) if options.parquet is None else of_parquet(options.parquet)
    count = write(options.file, features)
    print(f"{count:,} objects, {options.file.stat().st_size / 1e6:,.0f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
