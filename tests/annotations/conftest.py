import pytest

from pathserve.annotations import AnnotationStore, ClassSchemas
from pathserve.catalog import Catalog, make_slide_id
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo

INFO = SlideInfo("aperio", (Level(Size(1000, 1000), 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg")


@pytest.fixture
def store(db) -> AnnotationStore:
    return AnnotationStore(db)


@pytest.fixture
def schemas(db) -> ClassSchemas:
    return ClassSchemas(db)


@pytest.fixture
def slide(db) -> str:
    catalog = Catalog(db)
    made = catalog.add_slide(
        slide_id=make_slide_id(),
        project="default",
        name=None,
        info=INFO,
        levels=1,
        tile_size=256,
        content_hash="content",
    )
    return made.id
