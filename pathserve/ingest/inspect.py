"""Looking at a scan without ingesting it: what it is, and what in it may name a person."""

from dataclasses import dataclass
from pathlib import Path

from pathserve.errors import Corrupt
from pathserve.ingest.content import identity_of, resolved
from pathserve.ingest.process import Deadlines, Listener, run_worker
from pathserve.pixels import SlideInfo
from pathserve.slides import Scan
from pathserve.slides.identity import IdentityReport, Values
from pathserve.worker.messages import Order


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a scan is, and every field of it that may name a person."""

    info: SlideInfo
    identity: IdentityReport


def inspect_identity(scan: Scan | Path, *, values: Values = "masked", deadlines: Deadlines | None = None) -> Inspection:
    """Look at a scan and search it, in a worker process.

    Parameters
    ----------
    values
        ``"shown"`` lets the values out of the worker: only for the terminal of whoever holds the scan.

    Raises
    ------
    NotFound, Unsupported, Corrupt, TooLarge
        As :func:`pathserve.ingest.ingest_scan`.
    """
    whole = resolved(scan)
    identity_of(whole)
    infos: list[SlideInfo] = []
    reports: list[IdentityReport] = []
    listener = Listener(opened=infos.append, searched=reports.append)
    run_worker(Order(whole, identity=values), listener, deadlines or Deadlines())
    if not infos or not reports:
        raise Corrupt("The scan did not say what it is.")
    return Inspection(infos[0], reports[0])
