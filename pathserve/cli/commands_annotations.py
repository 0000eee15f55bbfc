"""Commands about annotations: import, export, classes."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from pathserve.annotations import AnnotationQuery
from pathserve.catalog import DEFAULT_PROJECT
from pathserve.cli.options import AsJson, Data, open_services
from pathserve.cli.output import Exit, note, say, say_items, say_json, say_table
from pathserve.errors import Invalid
from pathserve.formats import geojson
from pathserve.labels import AnnotationClass, clean_name

annotations = typer.Typer(help="Import and export annotations.", no_args_is_help=True)
classes = typer.Typer(help="A project's class schema.", no_args_is_help=True)

Slide = Annotated[str, typer.Argument(metavar="SLIDE", help="Slide id.")]
Layers = Annotated[list[str] | None, typer.Option("--layer", help="Only this layer; repeats.")]
Classes = Annotated[list[str] | None, typer.Option("--class", help="Only this class; repeats.")]

_AUTHOR = "command line"
_MAX_PRIORITY = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(annotations, name="annotations")
    app.add_typer(classes, name="classes")


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


@classes.command("list")
def list_classes(
    project: Annotated[str, typer.Option(help="The project.")] = DEFAULT_PROJECT,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """List a project's classes with their mask values."""
    with open_services(data) as services:
        schema = services.classes.of(project)
    if as_json:
        say_items(
            [
                {"name": c.name, "color": c.color, "value": c.value, "priority": c.priority, "hotkey": c.hotkey}
                for c in schema
            ]
        )
        return
    rows = [(c.value, c.name, "#" + bytes(c.color).hex(), c.priority, c.hotkey) for c in schema]
    say_table(("value", "name", "color", "priority", "key"), rows, empty="This project has no classes yet.")


@classes.command("set")
def set_classes(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON as `classes list --json` gives it.")],
    project: Annotated[str, typer.Option(help="The project.")] = DEFAULT_PROJECT,
    data: Data = None,
) -> None:
    """Set colours, priorities and hotkeys of classes; new names are added, none is taken away."""
    wanted = _read_classes(file.read_bytes())
    with open_services(data) as services:
        schema = services.classes.set(project, wanted)
    say(f"{len(schema.classes)} classes.")


def _read_classes(text: bytes) -> list[AnnotationClass]:
    try:
        found = orjson.loads(text)
        items = found["items"] if isinstance(found, dict) else found
        return [_read_class(item) for item in items]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Invalid(
            "A class file is JSON: a list of objects with name, color [r, g, b], and maybe priority and hotkey."
        ) from error


def _read_class(item: dict[str, Any]) -> AnnotationClass:
    red, green, blue = (int(part) for part in item["color"])
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError("a colour's parts lie between 0 and 255")
    hotkey, priority = item.get("hotkey"), int(item.get("priority", 0))
    if abs(priority) > _MAX_PRIORITY:
        raise ValueError("a priority lies between minus and plus a million")
    return AnnotationClass(
        name=str(item["name"]),
        color=(red, green, blue),
        value=0,  # the store gives values; a file cannot
        priority=priority,
        hotkey=None if hotkey is None else str(hotkey)[:1],
    )
