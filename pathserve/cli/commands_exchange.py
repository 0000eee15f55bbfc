"""Commands about files of annotations: import and export in every format."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from pathserve.annotations import AnnotationQuery
from pathserve.annotations.revisions import revision_log
from pathserve.cli.files import STANDARD, as_file, whole_file
from pathserve.cli.options import AUTHOR, AsJson, Data, Slide, usage
from pathserve.cli.output import Exit, counted, note, say, say_json
from pathserve.cli.progress import bar
from pathserve.cli.rooms import open_rooms
from pathserve.exchange import (
    IDENTITY,
    ExportOptions,
    ImportOptions,
    ImportReport,
    begin_export,
    frame_options,
    import_file,
    parse_conflict,
    parse_told,
    slide_frame,
    slide_tissue,
)
from pathserve.formats.registry import by_name
from pathserve.labels import clean_name
from pathserve.pyramid.stores import open_slides
from pathserve.server.question_text import parse_as_of

Layers = Annotated[list[str] | None, typer.Option("--layer", help="Only this layer; repeats.")]
Classes = Annotated[list[str] | None, typer.Option("--class", help="Only this class; repeats.")]
Origin = Annotated[
    str | None, typer.Option(help="`slide`, or `bounds`: the corner of what is not empty. Default: the format's.")
]
Unit = Annotated[str | None, typer.Option(help="`px` or `um`. Default: the format's.")]
MppOption = Annotated[
    str | None, typer.Option("--mpp", metavar="X[,Y]", help="Micrometres per pixel. Default: the slide's.")
]
Affine = Annotated[
    str | None,
    typer.Option(metavar="a,b,c,d,e,f", help="x' = a x + b y + c, y' = d x + e y + f, from the file's numbers."),
]
Option = Annotated[
    list[str] | None, typer.Option("--option", metavar="NAME=VALUE", help="What a format has to be told; repeats.")
]


_STANDARD_OUTPUT = (STANDARD, Path("/dev/stdout"))


def register(app: typer.Typer) -> None:
    """Add the commands to those about annotations."""
    app.command("import")(import_annotations)
    app.command("export")(export_annotations)


def import_annotations(
    slide: Slide,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File, pipe, or - for standard input.")],
    format_: Annotated[str | None, typer.Option("--format", help="Default: told by content.")] = None,
    layer: Annotated[str, typer.Option(help="Layer to put them into, made when absent.")] = "imported",
    origin: Origin = None,
    unit: Unit = None,
    mpp: MppOption = None,
    affine: Affine = None,
    option: Option = None,
    on_conflict: Annotated[
        str, typer.Option(help="Of an id that is there with other content: `report`, `new` (id) or `replace`.")
    ] = "report",
    force: Annotated[bool, typer.Option(help="Keep repairs that lose more than 1 % of an outline.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Import annotations of any format as one revision; says what was assumed, repaired, refused and lost."""
    with usage():
        options = ImportOptions(
            layer=clean_name(layer, "layer name"),
            author=AUTHOR,
            form=None if format_ is None else by_name(format_).name,
            frame=frame_options(origin=origin, unit=unit, mpp=mpp, affine=affine),
            on_conflict=parse_conflict(on_conflict),
            force=force,
            told=parse_told(option or ()),
        )
    with open_rooms(data) as rooms, as_file(file, rooms.settings.data) as given, bar("annotations") as moved:
        record = rooms.catalog.slide(slide)
        report = import_file(
            rooms.annotations,
            slide,
            given,
            options,
            frame=slide_frame(record, open_slides(rooms.settings)),
            tissue=slide_tissue(record, rooms.catalog.judgements),
            progress=moved,
        )
    if as_json:
        say_json(report.to_json())
    else:
        _tell(report)
    if report.is_partly_refused:
        raise typer.Exit(Exit.REFUSED if report.is_refused else Exit.PARTLY)


def export_annotations(
    slide: Slide,
    format_: Annotated[str, typer.Option("--format", help="The format.")] = "geojson",
    layer: Layers = None,
    class_: Classes = None,
    as_of: Annotated[str | None, typer.Option(metavar="R", help="A revision, or an RFC 3339 time.")] = None,
    origin: Origin = None,
    unit: Unit = None,
    mpp: MppOption = None,
    affine: Affine = None,
    option: Option = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File; default, and `-`: standard output.")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Export annotations in any format; says what it could not hold."""
    output = None if output in _STANDARD_OUTPUT else output
    with usage():
        moment = None if as_of is None else parse_as_of(as_of)
        frame = frame_options(origin=origin, unit=unit, mpp=mpp, affine=affine)
        options = ExportOptions(by_name(format_), frame, parse_told(option or ()))
    with open_rooms(data) as rooms, bar("annotations") as moved:
        record = rooms.catalog.slide(slide)
        export = begin_export(
            rooms.annotations,
            AnnotationQuery(slide, layers=tuple(layer or ()), classes=tuple(class_ or ()), as_of=moment),
            options,
            frame=slide_frame(record, open_slides(rooms.settings)),
            schema=rooms.classes.of(record.project),
            revisions=revision_log(rooms.db, slide),
        )
        with _sink(output) as out:
            report = export.write(out, lambda done: moved("writing", done, None))
    told = report.to_json()
    if as_json and output is not None:
        say_json(told)
        return
    note(
        f"{counted(report.written, 'annotation')} of revision {report.revision} written; {_frame_words(told['frame'])}."
    )
    for loss in told["losses"]:
        note(f"lost: {loss['message']} ({loss['count']:,})")


@contextmanager
def _sink(output: Path | None) -> Iterator[BinaryIO]:
    """Give where an export goes; a file is there when all of it is."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(output) as file:
        yield file


def _tell(report: ImportReport) -> None:
    """Print a report for people."""
    told = report.to_json()
    say(
        f"{report.created:,} added, {report.known:,} there already, {report.replaced:,} replaced, "
        f"{report.refused.count:,} refused, revision {report.revision}."
    )
    said = [f"{report.form.title}" + (" (by content)" if "format" in report.assumed else "")]
    said += [_frame_words(told["frame"])]
    assumed = [name for name in report.assumed if name != "format"]
    say(", ".join(said) + (f"; {' and '.join(assumed)} assumed." if assumed else "."))
    if report.made_ids:
        say(f"{report.made_ids:,} had no id: theirs were made from their content.")
    if report.outside:
        say(f"Outside of the slide, at least in part: {report.outside:,}.")
    for fit in told["fit"]:
        tissue = "" if fit["on_tissue"] is None else f", {fit['on_tissue']:.1%} on tissue"
        say(f"If origin were {fit['origin']} and unit {fit['unit']}: {fit['on_slide']:.1%} on the slide{tissue}.")
    for name, many in report.known_elsewhere.items():
        say(f"{many:,} of those there already lie in the layer {name}, and stay there.")
    for word, issues in (("new id", report.conflicts), ("repaired", report.repaired), ("refused", report.refused)):
        for line in issues.lines():
            note(f"{word}: {line}")
    for loss in told["losses"]:
        note(f"lost or changed: {loss['message']} ({loss['count']:,})")


def _frame_words(frame: dict[str, Any]) -> str:
    words = "the format's own frame"
    if frame["origin"] is not None:
        words = f"{frame['origin']} origin, {'pixels' if frame['unit'] == 'px' else 'micrometres'}"
    if frame["mpp"] is not None:
        words += " ({:.6g} x {:.6g} a pixel)".format(*frame["mpp"])
    if tuple(frame["to_slide"]) != IDENTITY:
        words += ", to level-0 pixels by the affine " + ",".join(f"{number:.10g}" for number in frame["to_slide"])
    return words
