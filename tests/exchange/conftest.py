import pytest

from pathserve.annotations import AnnotationStore
from pathserve.catalog import Catalog, SlideRecord, make_slide_id
from pathserve.exchange import ImportOptions, import_file
from pathserve.formats.contract import SlideFrame
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

SIZE = Size(10_000, 8_000)
INFO = SlideInfo("mirax", (Level(SIZE, 1.0),), Mpp(0.25, 0.5), True, 40.0, "jpeg", bounds=(1000, 500))
FRAME = SlideFrame(SIZE, Mpp(0.25, 0.5), (1000.0, 500.0))


@pytest.fixture
def store(db, tmp_path) -> AnnotationStore:
    return AnnotationStore(db, spool=tmp_path)


@pytest.fixture
def slide(db) -> SlideRecord:
    return Catalog(db).add_slide(
        slide_id=make_slide_id(), project="default", name=None, info=INFO, levels=1, tile_size=256, content_hash="c"
    )


@pytest.fixture
def bring(store, slide, tmp_path):
    """Import some text or a file, with options by name."""

    def bring(data, *, slide_frame=FRAME, tissue=None, progress=lambda *_: None, **options):
        path = data
        if isinstance(data, bytes):
            path = tmp_path / "given"
            path.write_bytes(data)
        said = ImportOptions(**{"layer": "imported", "author": "ana", **options})
        return import_file(store, slide.id, path, said, frame=slide_frame, tissue=tissue, progress=progress)

    return bring
