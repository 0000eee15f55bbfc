"""Which reader opens what, and clear refusals."""

import pytest

from pathserve.errors import Corrupt, NotFound, PathServeError, Unsupported
from pathserve.slides import open_slide


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        open_slide(tmp_path / "nothing.svs")


def test_an_empty_file_is_corrupt(tmp_path):
    (tmp_path / "empty.svs").touch()
    with pytest.raises(Corrupt):
        open_slide(tmp_path / "empty.svs")


def test_a_folder_is_unsupported(tmp_path):
    with pytest.raises(Unsupported):
        open_slide(tmp_path)


@pytest.mark.parametrize("content", [b"hello, I am a text file\n" * 50, b"\x00" * 4096, b"II*\x00" + b"\xff" * 200])
def test_what_is_no_scan_is_unsupported_whatever_its_name(tmp_path, content):
    path = tmp_path / "text.svs"
    path.write_bytes(content)
    with pytest.raises(Unsupported, match=r"no scan|no image"):
        open_slide(path)


def test_no_refusal_names_the_file(tmp_path):
    path = tmp_path / "DOE^JANE.svs"
    path.write_bytes(b"nothing to see")
    with pytest.raises(PathServeError) as caught:
        open_slide(path)
    assert "JANE" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
