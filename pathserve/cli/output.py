"""How commands speak: tables for people, JSON for programs, one sentence for errors, and the exit statuses."""

import os
import sys
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table


class Exit(IntEnum):
    """What a command's exit status says."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    PARTLY = 3


def say(text: str) -> None:
    """Print a line of result on standard output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a line about the work on standard error, out of the way of results."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def bug(error: BaseException) -> str:
    """Name a mistake of PathServe by its class and line, without a full stop; its own text can hold a path."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "an unknown place"
    return f"a bug in PathServe ({type(error).__name__} at {place})"


def readable(path: Path) -> str:
    """Give a path as text that can be printed; what is no UTF-8 in it becomes a mark."""
    return os.fsencode(path).decode("utf-8", "replace")


def counted(count: int, word: str, plural: str | None = None) -> str:
    """Give how many there are, such as ``1 annotation``; the plural has an s unless it is given."""
    return f"{count:,} {word if count == 1 else plural or word + 's'}"


def say_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print a JSON value on standard output."""
    say(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def say_items(items: Sequence[dict[str, Any]]) -> None:
    """Print a list in the shape that every list has."""
    say_json({"items": list(items), "next": None})


def say_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a table, or a sentence when there is nothing in it."""
    if not rows:
        say(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    # Wide enough for any row: an id that was cut could not be copied.
    Console(file=sys.stdout, width=1000, highlight=False).print(table)
