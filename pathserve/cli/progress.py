"""The progress bar of long commands."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextmanager
def bar(shown: str) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar on standard error (none when that is no terminal), moved by what it gives.

    Parameters
    ----------
    shown
        What the bar says before itself.

    Yields
    ------
    What moves it: takes the phase, how much is done, and of how much (None when that is not known).
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[phase]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(shown, total=None, phase="")

        def moved(phase: str, done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total, phase=phase)

        yield moved
