"""What imports and exports need to know of a slide."""

import io

import numpy as np
from PIL import Image

from pathserve.catalog import SlideRecord
from pathserve.catalog.judgements import Judgements
from pathserve.errors import PathServeError
from pathserve.exchange.frames import Tissue
from pathserve.formats.contract import SlideFrame
from pathserve.pyramid.reader import Pyramid
from pathserve.pyramid.storage import Slides


def slide_frame(slide: SlideRecord, published: Slides) -> SlideFrame:
    """Give a slide's frame: its size, its pixel size if it can be used, and the corner of what is not empty."""
    try:
        x, y = Pyramid.open(published.files(slide.id)).facts.bounds
    except (PathServeError, OSError):
        x, y = 0, 0  # the pixels are not at hand: annotations do not need them
    return SlideFrame(slide.size, slide.mpp if slide.mpp_plausible else None, (float(x), float(y)))


def slide_tissue(slide: SlideRecord, judgements: Judgements) -> Tissue | None:
    """Give where a slide has tissue, as was found when it came in; None when that is not known."""
    found = judgements.of([slide.id]).get(slide.id)
    png = judgements.tissue(slide.id) if found is not None and found.generation == slide.generation else None
    if png is None:
        return None
    with Image.open(io.BytesIO(png)) as image:
        return Tissue(np.asarray(image.convert("L")) > 0)
