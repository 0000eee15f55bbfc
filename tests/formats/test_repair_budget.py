import orjson

from pathserve.formats.geojson import geojson


def test_one_text_can_ask_for_so_much_repair_and_no_more(monkeypatch) -> None:
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    square = {"type": "Polygon", "coordinates": [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]}
    text = orjson.dumps(
        {
            "type": "FeatureCollection",
            "features": [{"type": "Feature", "geometry": g, "properties": {}} for g in (bow_tie, bow_tie, square)],
        }
    )
    assert len(geojson.parse_features(text, frame=None).repaired) == 2
    monkeypatch.setattr(geojson, "MAX_REPAIR_SECONDS", 1e-9)
    parsed = geojson.parse_features(text, frame=None)
    assert [issue.index for issue in parsed.repaired] == [0]
    assert [(issue.index, issue.code) for issue in parsed.refused] == [(1, "too_many_repairs")]
    assert parsed.sources == [0, 2]
