"""Ids of an import, held against a plain dict."""

import numpy as np

from pathserve.annotations.differences import Standing
from pathserve.annotations.digests import Digests, row_digests
from pathserve.annotations.import_ids import ImportIds
from pathserve.annotations.known_rows import Ids, repeats, rounds
from pathserve.labels import Columns, NewAnnotation


def _expected(met: dict[bytes, int], ids: Ids, digests: Digests) -> list[int]:
    told = [met.get(i.tobytes()) for i in ids]
    return [
        Standing.NEW if there is None else Standing.KNOWN if there == digest else Standing.TAKEN
        for there, digest in zip(told, digests.tolist(), strict=True)
    ]


def test_ids_of_an_import_are_found_again_whatever_their_number() -> None:
    rng = np.random.default_rng(5)
    pool = rng.integers(0, 256, (6000, 16), dtype=np.uint8)
    pool[:3000, :8] = pool[0, :8]  # half of each is no id
    pool[3000:, 8:] = pool[0, 8:]
    table, met = ImportIds(), dict[bytes, int]()
    for count in (1, 700, 3000, 3000, 3000, 3000):
        ids, digests = pool[rng.integers(0, len(pool), count)], rng.integers(0, 2, count).astype(np.uint64)
        standing = table.compare(ids, digests)
        assert standing.tolist() == _expected(met, ids, digests)
        again = repeats(ids, digests, standing == Standing.NEW)
        fresh = (standing == Standing.NEW) & (again == Standing.NEW)
        before = dict(met)
        for row in np.flatnonzero(standing == Standing.NEW).tolist():
            key, digest = ids[row].tobytes(), int(digests[row])
            seen = met.get(key)
            assert again[row] == (
                Standing.NEW if seen is None else Standing.KNOWN if seen == digest else Standing.TAKEN
            )
            met.setdefault(key, digest)
        assert len(met) - len(before) == int(fresh.sum())
        table.add(ids[fresh], digests[fresh])
    assert len(met) > 4000


def test_no_round_has_an_id_twice() -> None:
    ids = np.array([[n] * 16 for n in (3, 1, 3, 2, 3, 1)], np.uint8)
    assert [turn.tolist() for turn in rounds(ids)] == [[0, 1, 3], [2, 5], [4]]
    assert [turn.tolist() for turn in rounds(ids[[0, 1, 3]])] == [[0, 1, 2]]
    assert rounds(ids[:0]) == []


def _rows(count: int) -> Columns:
    rng = np.random.default_rng(2)
    made = []
    for n in range(count):
        ring = rng.choice([0.0, -0.0, 1.5, 2.5, 1e300], (4, 2)).tolist()
        polygon = {"type": "Polygon", "coordinates": [[*ring, ring[0]], [*ring[1:], ring[1]]][: 1 + n % 2]}
        shape = [polygon, {"type": "LineString", "coordinates": ring}, {"type": "Point", "coordinates": ring[0]}]
        text = {"n": n % 3} if n % 4 else {}
        made.append(NewAnnotation(shape[n % 3], class_name=[None, "a", "b"][n // 3 % 3], properties=text))
    return Columns.of(made)


def test_digests_are_the_same_numbers_with_and_without_machine_code() -> None:
    columns = _rows(400)
    with_code, without = row_digests(columns, few=0), row_digests(columns, few=1000)
    assert with_code.tolist() == without.tolist()


def test_rows_that_say_the_same_have_one_digest_and_others_have_others() -> None:
    columns = _rows(600)
    said = [
        (item.geometry, item.class_name, item.properties) for item in map(columns.new_annotation, range(len(columns)))
    ]
    digests = row_digests(columns, few=0).tolist()
    for row in range(0, len(said), 7):
        for other in range(row):
            assert (said[row] == said[other]) == (digests[row] == digests[other])
