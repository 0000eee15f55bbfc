"""What the picture far out shows is what the server counts: read back out of the pixels, class by class."""

from uuid import uuid4

import numpy as np
import pytest

from tests.browser.test_cells import box, counts_shown

pytestmark = pytest.mark.browser

COLORS = {"Alpha": (200, 30, 30), "Beta": (20, 40, 220)}
CELLS = 260
# How a bin is painted (see "Vector tiles" in the reference and `densityAlpha` in the viewer): for `count` objects it
# gets 0.3 to 0.9 of its colour, the more the nearer they lie, where 32 x 32 level-0 px each is near.
LEAST, MOST, CROWDED = 0.3, 0.9, 32 * 32


def cells(name: str, left: float, right: float, count: int, seed: int) -> list[dict]:
    """Squares of 4 level-0 px, off the edges of all bins and in none that the slide's own edge cuts."""
    chance = np.random.default_rng(seed)
    features = []
    # 6 px from every edge that a box is drawn along: far out outlines are simplified by up to 4
    for x, y in chance.integers([left // 16, 4], [right // 16, 175], (count, 2)) * 16 + 8:
        ring = [[x - 2, y - 2], [x + 2, y - 2], [x + 2, y + 2], [x - 2, y + 2], [x - 2, y - 2]]
        features.append(
            {
                "type": "Feature",
                "id": str(uuid4()),
                "geometry": {"type": "Polygon", "coordinates": [np.asarray(ring).tolist()]},
                "properties": {"classification": {"name": name, "color": list(COLORS[name])}},
            }
        )
    return features


def add(site, features: list[dict]) -> None:
    body = {"type": "FeatureCollection", "features": features}
    site.request("POST", f"/api/slides/{site.slide}/annotations", params={"layer": "given"}, json=body)


@pytest.fixture
def layer(site):
    """Take the layer away at the end: one request instead of one for each object."""
    yield
    site.request("DELETE", f"/api/slides/{site.slide}/layers/given")


def counted(site, *names: str) -> dict[str, int]:
    """How many objects the server counts of each of these classes."""
    path = f"/api/slides/{site.slide}/annotations/summary"
    return {name: site.get(path, **{"class": name}).json()["total"] for name in names}


def open_at(reader, site, downsample: int) -> None:
    """Open the slide so that pixels of its level lie exactly on those of the screen."""
    reader.open(z=1 / downsample)
    frame, facts = reader.box(), site.get(f"/api/slides/{site.slide}").json()
    middle = [
        downsample * (size / 2 - round(size / 2 - facts[side] / downsample / 2))
        for size, side in ((frame["width"], "width"), (frame["height"], "height"))
    ]
    reader.open(x=middle[0], y=middle[1], z=1 / downsample)


class Picture:
    """Reads counts out of what is drawn, by comparing it with the slide alone."""

    def __init__(self, reader, downsample: int) -> None:
        self.reader, self.downsample = reader, downsample
        reader.key("a")
        reader.wait_quiet()
        self.plain = self.shot()
        reader.key("a")

    def shot(self):
        self.reader.page.mouse.move(5, 5)
        self.reader.settle()
        (x, y) = self.reader.to_page([[0, 0]])[0]
        assert abs(x - round(x)) < 1e-6
        assert abs(y - round(y)) < 1e-6
        # whole bins of 4 pixels that cover the slide of 2,220 x 2,967 px
        width, height = (-(-size // (4 * self.downsample)) * 4 for size in (2220, 2967))
        return self.reader.picture(round(x), round(y), width, height).astype(float)

    def sums(self) -> dict[str, int]:
        """The sum of all bins of each class; classes never share a bin here."""
        now = self.shot()
        height, width = now.shape[0] // 4, now.shape[1] // 4
        area = (4 * self.downsample) ** 2
        found = dict.fromkeys(COLORS, 0)
        for row in range(height):
            for col in range(width):
                part = slice(4 * row, 4 * row + 4), slice(4 * col, 4 * col + 4)
                change = now[part] - self.plain[part]
                if np.abs(change).mean() < 4:
                    continue
                misfits = {}
                for name, color in COLORS.items():
                    toward = np.array(color) - self.plain[part]
                    alpha = (change * toward).sum() / (toward**2).sum()
                    misfits[name] = (np.abs(change - alpha * toward).mean(), alpha)
                name = min(misfits, key=misfits.__getitem__)
                share = (misfits[name][1] - LEAST) / (MOST - LEAST)
                found[name] += round(-np.log(1 - share) * area / CROWDED)
        return found

    def wait(self, wanted: dict[str, int]) -> None:
        """Wait until the picture adds up to this."""
        for _ in range(60):
            found = self.sums()
            if found == wanted:
                return
            self.reader.page.wait_for_timeout(250)
        assert found == wanted


@pytest.mark.parametrize("downsample", [16, 32])
def test_the_bins_add_up_to_the_servers_counts_with_a_filter_and_after_edits(site, open_reader, downsample) -> None:
    # In a low window the slide can be seen smaller.
    reader = open_reader(viewport={"width": 1000, "height": 420})
    add(site, [*cells("Alpha", 16, 1000, CELLS, 1), *cells("Beta", 1288, 2160, CELLS, 2)])
    open_at(reader, site, downsample)
    picture = Picture(reader, downsample)
    assert counted(site, *COLORS) == dict.fromkeys(COLORS, CELLS)
    picture.wait(counted(site, *COLORS))
    assert counts_shown(reader) == counted(site, *COLORS)

    reader.page.get_by_role("switch", name="Show class Beta").click()
    picture.wait(counted(site, "Alpha") | {"Beta": 0})
    reader.page.get_by_role("switch", name="Show class Beta").click()

    # somebody else adds some, and the reader deletes and changes some
    add(site, cells("Beta", 1288, 2160, 40, 3))
    reader.wait_state(f"s.objects === {2 * CELLS + 40}")
    box(reader, -100, -100, 1100, 900)
    reader.wait_state("s.chosen > 0")
    gone = reader.state()["chosen"]
    reader.key("Delete")
    reader.wait_saved()
    wanted = {"Alpha": CELLS - gone, "Beta": CELLS + 40}
    assert 20 < gone < CELLS - 20
    assert counted(site, *COLORS) == wanted
    picture.wait(wanted)
    assert counts_shown(reader) == wanted
    # along the edges of bins, so that none has two classes then
    box(reader, -128, 2048, 1152, 2944)
    reader.wait_state("s.chosen > 0")
    changed = reader.state()["chosen"]
    reader.test_id("class-chosen").select_option("=Beta")
    reader.wait_saved()
    wanted = {"Alpha": CELLS - gone - changed, "Beta": CELLS + 40 + changed}
    assert counted(site, *COLORS) == wanted
    picture.wait(wanted)
