"""Originals of pseudonyms: for admins of all projects, never stored, nowhere else."""

import pytest

from pathserve.access import Role
from pathserve.catalog import Kind, PseudonymKey, SlideFacts

ORIGINALS = ("Müller, Jane", "12/3456 A", "S-2024-0815")


@pytest.fixture
def named(site):
    """The site with a case of a patient, and originals of both and of the slide."""
    services = site.services
    services.catalog.edit_slide(site.slide, SlideFacts(project="a", case="C-1", patient="P-7"))
    patient, case = PseudonymKey(Kind.PATIENT, "a", "P-7"), PseudonymKey(Kind.CASE, "a", "C-1")
    keys = (patient, case, PseudonymKey.of_slide(site.slide))
    services.pseudonyms.set(dict(zip(keys, ORIGINALS, strict=True)))
    return site


def test_staff_find_a_slide_by_what_they_call_it(named) -> None:
    client = named.client()
    for text, kind, project, pseudonym, original in (
        ("MÜLLER", "patient", "a", "P-7", ORIGINALS[0]),
        ("3456", "case", "a", "C-1", ORIGINALS[1]),
        ("0815", "slide", None, named.slide, ORIGINALS[2]),
    ):
        answer = client.post("/api/pseudonyms/search", json={"q": text})
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "items": [
                {
                    "kind": kind,
                    "project": project,
                    "pseudonym": pseudonym,
                    "original": original,
                    "slides": [{"id": named.slide, "name": "slide"}],
                }
            ],
            "next": None,
        }


def test_pages_and_filters(named) -> None:
    client, seen, cursor = named.client(), [], {}
    while cursor is not None:
        page = client.post("/api/pseudonyms/search", json={"limit": 1, **cursor}).json()
        seen += [item["original"] for item in page["items"]]
        cursor = None if page["next"] is None else {"cursor": page["next"]}
    assert sorted(seen) == sorted(ORIGINALS)
    assert len(client.post("/api/pseudonyms/search", json={"kind": "case"}).json()["items"]) == 1
    assert len(client.post("/api/pseudonyms/search", json={"project": "a"}).json()["items"]) == 2
    assert client.post("/api/pseudonyms/search?q=x", json={}).status_code == 422  # a name never stands in an address
    for bad in ({"kind": "person"}, {"x": 1}, {"cursor": "x"}, {"q": "x" * 201}, {"limit": 0}):
        assert client.post("/api/pseudonyms/search", json=bad).status_code == 422


def test_one_slide_tells_its_own_originals(named) -> None:
    client = named.client()
    # a patient of the same pseudonym in another project is another person
    named.services.catalog.edit_slide(named.field, SlideFacts(project="b", case="C-1", patient="P-7"))
    answer = client.get(f"/api/slides/{named.slide}/originals")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == dict(zip(("patient", "case", "slide"), ORIGINALS, strict=True))
    assert client.get(f"/api/slides/{named.field}/originals").json() == {"patient": None, "case": None, "slide": None}
    assert client.get("/api/slides/none/originals").status_code == 404


def test_nobody_else_learns_of_an_original(named) -> None:
    bound = named.client()
    secret = named.services.accounts.create_token("bound", role=Role.ADMIN, project="a").secret
    bound.headers["authorization"] = f"Bearer {secret}"
    for client in (named.client("viewer"), named.client("annotator"), named.client("reviewer"), bound):
        answer = client.post("/api/pseudonyms/search", json={"q": "Müller"})
        assert (answer.status_code, answer.json()["code"]) == (403, "denied")
        answer = client.get(f"/api/slides/{named.slide}/originals")
        assert (answer.status_code, answer.json()["code"]) == (403, "denied")
        assert client.get("/api/session").json()["can_see_originals"] is False
    assert named.client().get("/api/session").json()["can_see_originals"] is True
    admin = named.client()
    paths = [
        *("/api/slides", f"/api/slides/{named.slide}", "/api/projects", "/api/jobs", "/api/session"),
        *(f"/api/slides/{named.slide}/{part}" for part in ("identity", "annotations", "layers", "classes")),
    ]
    everything = "".join(admin.get(path).text for path in paths)
    assert admin.get("/api/slides", params={"q": "Müller"}).json()["items"] == []
    assert not any(original in everything for original in ORIGINALS)


def test_a_removed_slide_takes_its_originals_along(named) -> None:
    assert named.client().delete(f"/api/slides/{named.slide}").status_code == 204
    assert named.client().post("/api/pseudonyms/search", json={}).json() == {"items": [], "next": None}
