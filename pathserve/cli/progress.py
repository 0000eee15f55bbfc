"""The progress bar of ingest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pathserve.ingest import Progress as IngestProgress


@contextmanager
def bar(shown: str) -> Iterator[Callable[[IngestProgress], None]]:
    """Show a bar on standard error (none when that is no terminal), moved by what it gives.

    Parameters
    ----------
    shown
        What the bar says before itself.
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

        def moved(at: IngestProgress) -> None:
            progress.update(task, completed=at.done, total=at.total, phase=at.phase)

        yield moved
