"""The progress bar of ingest."""

import os
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pathserve.ingest import IngestOptions, IngestOutcome, ingest_scan
from pathserve.ingest import Progress as IngestProgress
from pathserve.server.services import Services
from pathserve.slides import Scan


def ingest_with_bar(
    services: Services,
    scan: Scan | Path,
    options: IngestOptions,
    *,
    shown: str,
) -> tuple[IngestOutcome, ...]:
    """Ingest one scan with a bar on standard error (none when that is no terminal).

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
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(shown, total=None, phase="")

        def moved(progress: IngestProgress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, phase=progress.phase)

        return ingest_scan(
            scan,
            settings=services.settings,
            catalog=services.catalog,
            options=replace(options, workers=os.cpu_count() or 1),
            progress=moved,
        )
