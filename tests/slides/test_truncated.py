"""Scans that are still being copied, or whose copy failed, are refused and never half taken."""

from pathlib import Path

import pytest

from pathserve.errors import Corrupt, Unsupported
from pathserve.slides import open_slide


@pytest.mark.parametrize("kept", [0.05, 0.3, 0.98, 0.9995])
def test_a_scan_that_was_cut_off_is_refused(sample_slide: Path, tmp_path: Path, kept: float) -> None:
    whole = sample_slide.read_bytes()
    cut = tmp_path / "cut.svs"
    cut.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises((Corrupt, Unsupported)):
        open_slide(cut)


def test_a_scan_of_hardly_any_tiles_is_refused_by_their_number(shared_data: Path) -> None:
    with pytest.raises(Corrupt, match="32,704 of the scan's 32,705 tiles"):
        open_slide(shared_data / "broken" / "corrupted.svs")
