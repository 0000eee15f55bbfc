"""Tar archives against Python's own tarfile."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathserve.tiles.tar import END, member

NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCZ0123456789._-", min_size=1, max_size=100)


@given(st.lists(st.tuples(NAMES, st.binary(max_size=2000)), max_size=6))
def test_the_bytes_are_those_that_tarfile_writes(members) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    ours = b"".join(part for name, data in members for part in member(name, data)) + END
    theirs = buffer.getvalue()
    assert theirs[: len(ours)] == ours
    assert not any(theirs[len(ours) :])  # it fills up to blocks of 10,240


@pytest.mark.parametrize("name", ["", "a" * 101, "\u00e4.jpeg"])
def test_a_name_that_tar_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - two kinds of it
        member(name, b"")
