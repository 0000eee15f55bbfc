"""Who is looking where, for a few seconds: small files that all processes of a data folder see, and nothing keeps.

The database would make each of these durable and have everybody look things up anew; nobody needs to know tomorrow who
looked where today.
"""

import hashlib
import os
import secrets
import shutil
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pathserve.errors import Busy

LIVES_SECONDS = 10.0
"""How long one is there without saying so again."""

LEAST_SECONDS = 0.2
"""How much time must lie between two reports of one viewer."""

MOST_ON_SLIDE = 64
"""Viewers of one slide that are told of."""

MOST_OF_ONE = 8
"""Of these, those of one account."""

_ENDING = ".json"
_REMEMBERED = 4096
_TICK_NANOSECONDS = 50_000_000
"""File systems stamp changes by a clock that may be this coarse."""


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who looks at a slide.

    Parameters
    ----------
    account
        Name of the account or token.
    client
        What a viewer calls itself, so that two of one account are told apart.
    view
        JSON members that say where: the visible box and so on.
    """

    account: str
    client: str
    view: dict[str, Any]


class Presence:
    """The table of who is there; for several threads and processes.

    Parameters
    ----------
    folder
        Where the files are, one folder for each slide; made when needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last = OrderedDict[tuple[str, str, str], float]()

    def put(self, slide: str, present: Present) -> None:
        """Say that somebody is there; blocks for a moment.

        Raises
        ------
        Busy
            When this viewer has just said so, or too many are there.
        """
        self._require_pause(slide, present)
        folder = self._folder / slide
        for made in (self._folder, folder):  # parents that are made on the way would be for everybody to read
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(f"{present.account}\0{present.client}".encode()).hexdigest()[:32] + _ENDING
        target = folder / name
        if not target.exists():
            _require_place(folder, present.account)
        fresh = folder / f".{secrets.token_hex(8)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps({"account": present.account, "client": present.client, "view": present.view}))
        fresh.replace(target)

    def of(self, slide: str) -> list[Present]:
        """Give who is there, by account."""
        found = list[Present]()
        for path in _alive(self._folder / slide):
            with suppress(FileNotFoundError):  # it has just ended
                told = orjson.loads(path.read_bytes())
                found.append(Present(told["account"], told["client"], told["view"]))
        return sorted(found, key=lambda present: (present.account, present.client))

    def mark(self, slide: str) -> int:
        """Give a number that is another one when somebody has said something; 0 when nobody ever has. Takes no time."""
        try:
            changed = (self._folder / slide).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        # Two changes within one tick have one stamp: a fresh one counts as new until it is sure to be the last.
        age = time.time_ns() - changed
        return changed if age > _TICK_NANOSECONDS else changed + age

    def sweep(self) -> None:
        """Delete what nobody has renewed."""
        with suppress(FileNotFoundError):
            for folder in self._folder.iterdir():
                # A folder that was touched a moment ago may be about to get somebody.
                if time.time() - folder.stat().st_mtime > 2 * LIVES_SECONDS and not _alive(folder):
                    shutil.rmtree(folder, ignore_errors=True)

    def _require_pause(self, slide: str, present: Present) -> None:
        key, now = (slide, present.account, present.client), time.monotonic()
        if now - self._last.get(key, -LEAST_SECONDS) < LEAST_SECONDS:
            raise Busy("A viewer says where it looks a few times a second at most.")
        self._last[key] = now
        self._last.move_to_end(key)
        while len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)


def _alive(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.endswith(_ENDING) and time.time() - entry.stat().st_mtime < LIVES_SECONDS
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _require_place(folder: Path, account: str) -> None:
    alive = _alive(folder)
    for path in folder.iterdir():
        if path not in alive and time.time() - path.stat().st_mtime >= LIVES_SECONDS:
            path.unlink(missing_ok=True)
    own = sum(_account_of(path) == account for path in alive)
    if len(alive) >= MOST_ON_SLIDE or own >= MOST_OF_ONE:
        raise Busy("Too many viewers of this slide say where they look.")


def _account_of(path: Path) -> str:
    try:
        return str(orjson.loads(path.read_bytes())["account"])
    except FileNotFoundError:
        return ""
