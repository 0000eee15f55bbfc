"""``pathserve layers``: the layers of a slide."""

from typing import Annotated

import typer

from pathserve.annotations import LayerKind
from pathserve.cli.options import AUTHOR, AsJson, Data, Slide, usage
from pathserve.cli.output import say, say_items, say_table
from pathserve.cli.rooms import open_rooms
from pathserve.labels import clean_name
from pathserve.server.models_search import LayerModel

layers = typer.Typer(help="The layers of a slide.", no_args_is_help=True)

Layer = Annotated[str, typer.Argument(metavar="LAYER", help="Its name.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(layers, name="layers")


@layers.command("list")
def list_layers(slide: Slide, data: Data = None, as_json: AsJson = False) -> None:
    """List the layers of a slide, and how many annotations each has."""
    with open_rooms(data) as rooms:
        rooms.catalog.slide(slide)
        found = [LayerModel.of(layer, count) for layer, count in rooms.annotations.layers(slide)]
    if as_json:
        say_items([layer.model_dump() for layer in found])
        return
    rows = [(layer.name, layer.kind, layer.author, f"{layer.annotations:,}") for layer in found]
    say_table(("layer", "kind", "author", "annotations"), rows, empty="This slide has no layers yet.")


@layers.command("add")
def add_layer(
    slide: Slide,
    layer: Layer,
    kind: Annotated[LayerKind, typer.Option(help="Whose it is.")] = "author",
    data: Data = None,
) -> None:
    """Make an empty layer."""
    with usage():
        name = clean_name(layer, "layer name")
    with open_rooms(data) as rooms:
        rooms.catalog.slide(slide)
        made = rooms.layers.make(slide, name, author=AUTHOR, kind=kind)
    say(f"{made.name} is there.")


@layers.command("rename")
def rename_layer(
    slide: Slide,
    layer: Layer,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name from now on.")],
    data: Data = None,
) -> None:
    """Give a layer another name."""
    with usage():
        name = clean_name(name, "layer name")
    with open_rooms(data) as rooms:
        rooms.catalog.slide(slide)
        revision = rooms.layers.rename(slide, layer, name, author=AUTHOR)
    say(f"{layer} is {name} now, revision {revision}.")


@layers.command("remove")
def remove_layer(slide: Slide, layer: Layer, data: Data = None) -> None:
    """Take a layer away with all that is on it; `restore` brings it back."""
    with open_rooms(data) as rooms:
        rooms.catalog.slide(slide)
        revision = rooms.layers.remove(slide, layer, author=AUTHOR)
    say(f"{layer} is gone, revision {revision}.")


@layers.command("restore")
def restore_layer(slide: Slide, layer: Layer, data: Data = None) -> None:
    """Bring a layer back that was taken away."""
    with open_rooms(data) as rooms:
        rooms.catalog.slide(slide)
        revision = rooms.layers.restore(slide, layer, author=AUTHOR)
    say(f"{layer} is back, revision {revision}.")
