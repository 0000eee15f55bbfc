"""The stored metadata: valid OME-Zarr 0.5, right scales, nothing of a scan but its technical facts."""

import json

import pytest

from pathserve.errors import Corrupt, Unsupported
from pathserve.geometry import Mpp, Size
from pathserve.pyramid.layout import Facts, group_metadata, parse_facts


def facts(**changes):
    known = {
        "size": Size(2220, 2967),
        "tile": Size(240, 240),
        "level_count": 5,
        "generation": 1,
        "vendor": "aperio",
        "codec": "jpeg",
        "mpp": Mpp(0.5, 0.25),
        "mpp_plausible": True,
        "objective_power": 20.0,
        "icc_profile": b"\x00profile\xff",
    }
    return Facts(**(known | changes))


def stored(given):
    return json.loads(json.dumps(group_metadata(given)))


@pytest.mark.parametrize(
    "given", [facts(), facts(mpp=None, objective_power=None, icc_profile=None), facts(mpp_plausible=False)]
)
def test_facts_come_back_as_they_went_in(given):
    assert parse_facts(stored(given)) == given


def test_level_k_s_first_pixel_has_its_centre_where_the_pixels_it_covers_have_theirs():
    ome = stored(facts())["attributes"]["ome"]
    assert ome["version"] == "0.5"
    (multiscale,) = ome["multiscales"]
    assert [(axis["name"], axis["type"], axis.get("unit")) for axis in multiscale["axes"]] == [
        ("c", "channel", None),
        ("y", "space", "micrometer"),
        ("x", "space", "micrometer"),
    ]
    for level, dataset in enumerate(multiscale["datasets"]):
        scale, translation = dataset["coordinateTransformations"]
        covered = range(2**level)  # the level-0 pixels under the first pixel of level k, centres in micrometres
        assert scale == {"type": "scale", "scale": [1.0, 0.25 * 2**level, 0.5 * 2**level]}
        assert translation["translation"] == [
            0.0,
            pytest.approx(0.25 * sum(covered) / len(covered)),
            pytest.approx(0.5 * sum(covered) / len(covered)),
        ]
        assert dataset["path"] == str(level)


@pytest.mark.parametrize("given", [facts(mpp=None), facts(mpp=Mpp(800_000.0, 800_000.0), mpp_plausible=False)])
def test_without_a_plausible_pixel_size_the_scale_is_in_pixels_and_has_no_unit(given):
    (multiscale,) = stored(given)["attributes"]["ome"]["multiscales"]
    assert all("unit" not in axis for axis in multiscale["axes"])
    assert multiscale["datasets"][1]["coordinateTransformations"][0]["scale"] == [1.0, 2.0, 2.0]


def test_channels_have_names_and_colours():
    channels = stored(facts())["attributes"]["ome"]["omero"]["channels"]
    assert [(c["label"], c["color"]) for c in channels] == [("red", "FF0000"), ("green", "00FF00"), ("blue", "0000FF")]


def test_a_newer_format_is_refused_and_nonsense_is_corrupt():
    document = stored(facts())
    document["attributes"]["pathserve"]["format"] = 2
    with pytest.raises(Unsupported):
        parse_facts(document)
    for damage in ({}, {"attributes": {}}, {"attributes": {"pathserve": {"format": 1}}}):
        with pytest.raises(Corrupt):
            parse_facts(damage)
    document = stored(facts())
    document["attributes"]["pathserve"]["size"] = [0, 5]
    with pytest.raises(Corrupt):
        parse_facts(document)
