import json
from pathlib import Path


def test_every_version_of_the_classes_is_kept(run, tmp_path: Path) -> None:
    ours, qupath = tmp_path / "ours.json", tmp_path / "classes.json"
    code = {"system": "SCT", "code": "108369006", "meaning": "Neoplasm"}
    ours.write_text(json.dumps([{"name": "Tumor", "color": [1, 2, 3], "hotkey": "t", "code": code}]))
    qupath.write_text(
        json.dumps({"pathClasses": [{"name": "Tumor", "color": -65536}, {"name": "Stroma", "color": -1}]})
    )
    assert run("classes", "set", ours).stdout == "1 class, version 1.\n"
    assert run("classes", "set", qupath).stdout == "2 classes, version 2.\n"
    now = json.loads(run("classes", "list", "--json").stdout)["items"]
    assert [(c["name"], c["color"], c["value"], c["code"]) for c in now] == [
        ("Tumor", [255, 0, 0], 1, None),
        ("Stroma", [255, 255, 255], 2, None),
    ]
    first = json.loads(run("classes", "list", "--version", "1", "--json").stdout)["items"]
    assert [(c["color"], c["hotkey"], c["code"]) for c in first] == [([1, 2, 3], "t", code)]
    history = json.loads(run("classes", "history", "--json").stdout)["items"]
    assert [(v["version"], v["author"], v["changed"]) for v in history] == [
        (1, "command line", ["Tumor"]),
        (2, "command line", ["Tumor", "Stroma"]),
    ]
    assert run("classes", "list", "--version", "9").returncode == 1
