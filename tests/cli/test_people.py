"""Projects, their members, and the originals of pseudonyms, from the command line."""

import json
import stat


def items(run, *words):
    return json.loads(run(*words, "--json").stdout)["items"]


def test_projects_and_who_belongs_to_them(run):
    assert run("project", "create", "kidney").returncode == 0
    assert run("project", "create", "kidney").returncode == 1
    assert items(run, "project", "list") == [{"name": "kidney", "slides": 0}]
    assert run("user", "add", "ada", "--role", "viewer", "--project", "kidney").returncode == 0
    assert run("user", "add", "bob", "--project", "nothing").returncode == 1
    assert run("user", "add", "bob").returncode == 0
    assert run("member", "add", "bob", "kidney", "--role", "reviewer").returncode == 0
    assert run("member", "add", "nobody", "kidney").returncode == 1
    assert items(run, "member", "list", "--project", "kidney") == [
        {"account": "ada", "project": "kidney", "role": "viewer"},
        {"account": "bob", "project": "kidney", "role": "reviewer"},
    ]
    assert run("user", "restrict", "bob").returncode == 0
    assert {p["name"]: p["restricted"] for p in items(run, "user", "list")} == {"ada": True, "bob": True}
    assert run("user", "restrict", "bob", "--off").returncode == 0
    assert {p["name"]: p["restricted"] for p in items(run, "user", "list")} == {"ada": True, "bob": False}
    assert run("member", "remove", "bob", "kidney").returncode == 0
    assert run("member", "remove", "bob", "kidney").returncode == 1
    assert [m["account"] for m in items(run, "member", "list")] == ["ada"]


def test_originals_go_out_and_come_back(run, sample_field, tmp_path):
    table, out = tmp_path / "table.csv", tmp_path / "originals.csv"
    table.write_text(
        "file,case,patient,project,original_name,original_patient\nhgsc_nest.jpg,C-1,P-1,ovary,Block 7,Jane Doe\n"
    )
    slide = json.loads(run("ingest", sample_field, "--manifest", table, "--json").stdout)["items"][0]["slide"]
    before = items(run, "pseudonyms", "list")
    assert {(o["kind"], o["project"], o["pseudonym"], o["original"]) for o in before} == {
        ("patient", "ovary", "P-1", "Jane Doe"),
        ("slide", "", slide, "Block 7"),
    }
    assert run("pseudonyms", "export", "-o", out).returncode == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert run("pseudonyms", "export", "-o", out).returncode == 1  # never over a file that is there
    assert run("pseudonyms", "remove", "patient", "P-1", "--project", "ovary").returncode == 0
    assert run("pseudonyms", "remove", "slide", slide).returncode == 0
    assert items(run, "pseudonyms", "list") == []
    assert run("pseudonyms", "import", out).returncode == 0
    assert items(run, "pseudonyms", "list") == before
    out.write_text("kind,project,pseudonym,original\npatient,ovary,P-9,Nobody\n")
    assert run("pseudonyms", "import", out).returncode == 1
    out.write_text("kind,original\n")
    assert run("pseudonyms", "import", out).returncode == 1
    assert items(run, "pseudonyms", "list") == before
