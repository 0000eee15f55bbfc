"""What an import knows of its slide: the corner of what is not empty, and where tissue is."""

import io

import numpy as np
import pytest
from PIL import Image

from pathserve.catalog import Catalog
from pathserve.catalog.judgements import StoredJudgement
from pathserve.errors import NotFound
from pathserve.exchange import slide_frame, slide_tissue
from pathserve.geometry import Mpp, Size
from pathserve.pixels import Level, SlideInfo
from pathserve.pyramid.layout import Facts, group_metadata, parse_facts
from pathserve.slides.openslide import _bounds
from pathserve.worker.messages import info_message, parse_info

INFO = SlideInfo("mirax", (Level(Size(5000, 4000), 1.0),), Mpp(0.25, 0.25), True, 40.0, "jpeg", bounds=(109, 84))


def test_bounds_go_from_the_scan_into_the_pyramid():
    assert parse_info(info_message(INFO)).bounds == (109, 84)
    facts = Facts.of(INFO, tile=Size(256, 256), level_count=5, generation=1)
    metadata = group_metadata(facts)
    assert parse_facts(metadata).bounds == (109, 84)
    del metadata["attributes"]["pathserve"]["bounds"]  # as earlier versions wrote it
    assert parse_facts(metadata).bounds == (0, 0)


@pytest.mark.parametrize(
    ("stated", "bounds"),
    [
        ({"openslide.bounds-x": "109084", "openslide.bounds-y": "7"}, (109084, 7)),
        ({}, (0, 0)),
        ({"openslide.bounds-x": "12"}, (12, 0)),
        ({"openslide.bounds-x": "-5", "openslide.bounds-y": "nonsense"}, (0, 0)),
        ({"openslide.bounds-x": "300000", "openslide.bounds-y": "7"}, (0, 0)),
    ],
)
def test_bounds_that_a_scan_states(stated, bounds):
    assert _bounds(stated, Size(200_000, 100_000)) == bounds


def test_a_slide_whose_pixels_are_not_at_hand_has_a_frame(slide):
    class Nothing:
        def files(self, slide_id):
            raise NotFound("There are no pixels.")

    frame = slide_frame(slide, Nothing())
    assert (frame.size, frame.mpp, frame.bounds) == (slide.size, Mpp(0.25, 0.5), (0.0, 0.0))


def test_tissue_of_the_pixels_of_now(db, slide):
    judgements = Catalog(db).judgements
    assert slide_tissue(slide, judgements) is None
    mask = np.zeros((8, 10), np.uint8)
    mask[2:4, 3] = 255
    png = io.BytesIO()
    Image.fromarray(mask).save(png, "PNG")
    for generation, known in ((slide.generation, True), (slide.generation + 1, False)):
        stored = StoredJudgement(slide.id, generation, 1, {}, None)
        judgements.put(stored, detail=None, tissue=png.getvalue())
        found = slide_tissue(slide, judgements)
        assert (found is not None) is known
        if found is not None:
            assert (found.mask == (mask > 0)).all()
