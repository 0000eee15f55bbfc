"""A manifest's lines and the scans that they speak of; and what they say, put into the catalog."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from pathserve.catalog import Catalog, Pseudonyms, SlideRecord
from pathserve.catalog.pseudonyms import Kind, PseudonymKey
from pathserve.ingest.manifest_csv import LineIssue, ManifestRow
from pathserve.slides import Scan


@dataclass(frozen=True, slots=True)
class Matches:
    """Which line belongs to which scan.

    Parameters
    ----------
    rows
        The line of a scan, by the scan's main file.
    issues
        Lines that belong to no scan, or not to one alone.
    unnamed
        Scans of which no line speaks.
    """

    rows: Mapping[Path, ManifestRow]
    issues: tuple[LineIssue, ...]
    unnamed: tuple[Scan, ...]


def match_rows(rows: Iterable[ManifestRow], scans: Sequence[Scan], bases: Sequence[Path]) -> Matches:
    """Find the scan of each line: by its path, else by its name alone where only one scan has it.

    Parameters
    ----------
    bases
        Folders that relative paths may start from.
    """
    by_path, by_name = _places(scans)
    found, issues = dict[Path, ManifestRow](), list[LineIssue]()
    for row in rows:
        path = Path(row.file.replace("\\", "/"))
        mains = {by_path[place] for place in _candidates(path, bases) if place in by_path}
        if not mains and path.name == str(path):
            mains = by_name.get(path.name, set())
        if len(mains) != 1:
            reason = "several scans have this name; give the path" if mains else "there is no such scan"
            issues.append(LineIssue(row.line, f"Line {row.line}: {reason}.", absent=not mains))
            continue
        (main,) = mains
        if main in found:
            issues.append(LineIssue(row.line, f"Line {row.line}: line {found[main].line} is of the same scan."))
        else:
            found[main] = row
    unnamed = tuple(scan for scan in scans if scan.main not in found)
    return Matches(found, tuple(issues), unnamed)


def contradicts(row: ManifestRow, earlier: ManifestRow) -> bool:
    """Tell whether two lines say different things; what only one of them says is no contradiction."""
    facts, others = row.facts, earlier.facts
    said = [(getattr(facts, field.name), getattr(others, field.name)) for field in fields(facts)]
    said += [(original, earlier.originals.get(what)) for what, original in row.originals.items()]
    return any(one is not None and other is not None and one != other for one, other in said)


def apply_row(
    row: ManifestRow, slides: Iterable[SlideRecord], *, catalog: Catalog, pseudonyms: Pseudonyms
) -> list[SlideRecord]:
    """Put what a line says into the catalog, for every slide of its scan, and the originals where they are kept.

    Saying the same again changes nothing.

    Raises
    ------
    Conflict
        When a slide would change its project although it has annotations.
    """
    edited = []
    for slide in slides:
        name = row.facts.name
        if name is not None and slide.scenes > 1:
            name = f"{name} ({slide.scene + 1})"
        after = catalog.edit_slide(slide.id, replace(row.facts, name=name))
        pseudonyms.set(dict(_originals(row, after)))
        edited.append(after)
    return edited


def _originals(row: ManifestRow, slide: SlideRecord) -> Iterator[tuple[PseudonymKey, str]]:
    keys = {
        "name": PseudonymKey.of_slide(slide.id),
        "case": None if slide.case is None else PseudonymKey(Kind.CASE, slide.project, slide.case),
        "patient": None if slide.patient is None else PseudonymKey(Kind.PATIENT, slide.project, slide.patient),
    }
    for what, original in row.originals.items():
        key = keys[what]
        if key is not None:
            yield key, original


def _places(scans: Sequence[Scan]) -> tuple[dict[Path, Path], dict[str, set[Path]]]:
    """Give the main file of a scan by each path, and by each name, that stands for it."""
    by_path, by_name = dict[Path, Path](), dict[str, set[Path]]()
    folders = Counter(folder for scan in scans for folder in {path.parent for path in scan.files})
    for scan in scans:
        places = {scan.main, *scan.files} if scan.main.is_file() else {scan.main}
        around = {path.parent for path in scan.files}
        if len(scan.files) > 1 and len(around) == 1 and folders[scan.main.parent] == 1:
            places |= around  # a folder that holds one scan alone, such as one of DICOM
        for place in places:
            by_path[place.resolve()] = scan.main
            by_name.setdefault(place.name, set()).add(scan.main)
    return by_path, by_name


def _candidates(path: Path, bases: Sequence[Path]) -> Iterator[Path]:
    if path.is_absolute():
        yield path.resolve()
    else:
        yield from ((base / path).resolve() for base in bases)
