"""Commands about annotations: import, export."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from pathserve.annotations import AnnotationQuery
from pathserve.cli.options import AsJson, Data, open_services
from pathserve.cli.output import Exit, note, say, say_json
from pathserve.formats import geojson
from pathserve.labels import clean_name

annotations = typer.Typer(help="Import and export annotations.", no_args_is_help=True)

Slide = Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")]
Layers = Annotated[list[str] | None, typer.Option("--layer", help="Only this layer; repeats.")]
Classes = Annotated[list[str] | None, typer.Option("--class", help="Only this class; repeats.")]

_AUTHOR = "command line"


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(annotations, name="annotations")


@annotations.command("import")
def import_annotations(
    slide: Slide,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    layer: Annotated[str, typer.Option(help="Layer to put them into, made when absent.")] = "imported",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Import GeoJSON in level-0 pixels; says what was repaired or refused."""
    layer = clean_name(layer, "layer name")
    body = file.read_bytes()
    with open_services(data) as services:
        record = services.catalog.slide(slide)
        parsed = geojson.parse_features(body, frame=record.size)
        added = services.annotations.add(slide, parsed.annotations, layer=layer, author=_AUTHOR)
    conflicts = [(parsed.sources[issue.index], issue) for issue in added.refused]
    refused = sorted([*((i.index, i) for i in parsed.refused), *conflicts], key=lambda found: found[0])
    issues = {
        "repaired": [{"index": i.index, "code": i.code, "message": i.message} for i in parsed.repaired],
        "refused": [{"index": index, "code": i.code, "message": i.message} for index, i in refused],
    }
    there_already = len(parsed.annotations) - added.created - len(added.refused)
    if as_json:
        counts = {"created": added.created, "there_already": there_already, "revision": added.revision}
        say_json(counts | issues | {"assumed": {"format": "geojson", "origin": "slide", "unit": "px"}})
    else:
        say(f"{added.created:,} added, {there_already:,} there already, revision {added.revision}.")
        say("Assumed: GeoJSON, slide origin, pixels.")
        for word, found in issues.items():
            for issue in found:
                note(f"{word}: feature {issue['index']}: {issue['message']}")
    if refused:
        accepted = len(parsed.annotations) > len(added.refused)
        raise typer.Exit(Exit.PARTLY if accepted else Exit.REFUSED)


@annotations.command("export")
def export_annotations(
    slide: Slide,
    layer: Layers = None,
    class_: Classes = None,
    as_of: Annotated[int | None, typer.Option(help="The state at this revision.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File; default: standard output.")] = None,
    data: Data = None,
) -> None:
    """Export GeoJSON in level-0 pixels."""
    with open_services(data) as services:
        record = services.catalog.slide(slide)
        colors = {c.name: c.color for c in services.classes.of(record.project)}
        query = AnnotationQuery(slide, layers=tuple(layer or ()), classes=tuple(class_ or ()), as_of=as_of)
        features = [
            geojson.feature(annotation, colors.get(annotation.class_name or ""))
            for annotation in services.annotations.each(query)
        ]
    text = orjson.dumps(geojson.feature_collection(features))
    if output is None:
        say(text.decode())
    else:
        output.write_bytes(text + b"\n")
        note(f"{len(features):,} annotations written; slide origin, pixels.")
