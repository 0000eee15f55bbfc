"""Machine code is kept where this process can write and nobody else."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pathserve.native import choose_folder, folder

TOLD = "NUMBA_CACHE_DIR"


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """A data folder, where nothing is told and the installation cannot be written."""
    blocked = tmp_path / "file"
    blocked.touch()  # nobody, not even root, can write in a folder that is a file
    monkeypatch.setattr(folder, "INSTALLATION", blocked / "__pycache__")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv(TOLD, "")
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_the_folder_that_is_told_comes_first(data, tmp_path, monkeypatch):
    told = tmp_path / "told"
    monkeypatch.setenv(TOLD, str(told))
    assert choose_folder(data) == choose_folder() == told
    assert os.environ[TOLD] == str(told)
    assert stat.S_IMODE(told.stat().st_mode) == 0o700


def test_the_installation_comes_next(data, tmp_path, monkeypatch):
    installation = tmp_path / "installation" / "__pycache__"
    installation.parent.mkdir()
    monkeypatch.setattr(folder, "INSTALLATION", installation)
    assert choose_folder(data) == installation
    assert TOLD not in os.environ  # whoever asks later finds it too


def test_then_the_data_folder_for_whoever_has_one_and_the_users_cache(data, tmp_path, monkeypatch):
    assert choose_folder(data) == data / "machine-code"
    assert stat.S_IMODE((data / "machine-code").stat().st_mode) == 0o700
    assert choose_folder() == data / "machine-code"  # whoever asks later
    monkeypatch.setenv(TOLD, "")
    assert choose_folder() == tmp_path / "user" / "pathserve"


def test_at_last_a_folder_that_goes_with_the_process(data, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    code = (
        "from pathlib import Path; from pathserve.native import choose_folder, folder\n"
        "folder.INSTALLATION = Path(folder.__file__) / 'no'; print(choose_folder())"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert Path(made.stdout.strip()).name.startswith("pathserve-")
    assert not Path(made.stdout.strip()).exists()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
@pytest.mark.parametrize("which", ["told", "told/inside", "told/inside/code.nbi", "."])
def test_nothing_is_taken_that_others_can_write(data, tmp_path, monkeypatch, caplog, which, mode):
    """Whoever writes there has their code run by us."""
    room = tmp_path / "room"
    told = room / "told"
    (told / "inside").mkdir(parents=True)
    (told / "inside" / "code.nbi").touch()
    for path in (room, told, told / "inside"):
        path.chmod(0o755)
    (told / "inside" / "code.nbi").chmod(0o644)
    monkeypatch.setenv(TOLD, str(told))
    assert choose_folder(data) == told
    (room / which).chmod(mode)
    is_safe = which == "." and mode == 0o1777  # as /tmp: nobody can move what others have there
    assert choose_folder(data) == (told if is_safe else data / "machine-code")
    assert [record.levelname for record in caplog.records] == [] if is_safe else ["WARNING"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
def test_a_folder_of_somebody_else_is_not_taken(data, tmp_path, monkeypatch):
    told = tmp_path / "told"
    told.mkdir(mode=0o700)
    os.chown(told, 12345, -1)
    monkeypatch.setenv(TOLD, str(told))
    assert choose_folder(data) == data / "machine-code"


def test_what_others_cannot_reach_may_have_any_mode(data, tmp_path, monkeypatch):
    told = tmp_path / "told"
    told.mkdir(mode=0o700)
    (told / "code.nbi").touch()
    (told / "code.nbi").chmod(0o666)
    monkeypatch.setenv(TOLD, str(told))
    assert choose_folder(data) == told
