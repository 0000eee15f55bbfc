"""``pathserve bench``: what this machine does with your slides."""

import os
import platform
from typing import Annotated, Any

import typer

from pathserve import __version__
from pathserve.cli.benching import MASK, WINDOW, Measured, choose, measure
from pathserve.cli.options import AsJson, Data, Store
from pathserve.cli.output import note, say, say_json, say_table
from pathserve.cli.pixels import open_services

_PERCENTS = (50, 95, 99)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("bench")(bench)


def bench(
    slide: Annotated[str | None, typer.Argument(metavar="[SLIDE]", help="Slide id; default the largest one.")] = None,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="About how long it takes, start aside.")] = 10,
    data: Data = None,
    store: Store = None,
    as_json: AsJson = False,
) -> None:
    """Measure tiles, annotation queries and masks on this machine, with your slides."""
    with open_services(data, store) as services:
        chosen = choose(services, slide)
        if not as_json:
            note(f"Asking a server of its own on this machine, for about {seconds:g} seconds.")
        measured = measure(services, chosen, seconds=seconds)
    if as_json:
        say_json({"machine": _machine(), "version": __version__, "results": [_item(one) for one in measured]})
        return
    columns = ("what", "slide", "connections", "a second", "MB/s", *(f"p{p} ms" for p in _PERCENTS), "server CPU us")
    say_table(columns, [_row(one) for one in measured], empty="Nothing was measured.")
    if chosen.annotated is None:
        say("No annotations yet, so neither queries nor masks were measured.")


def _machine() -> dict[str, Any]:
    return {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count()}


def _item(one: Measured) -> dict[str, Any]:
    load = one.load
    return {
        "what": one.what,
        "slide": one.slide,
        "connections": one.connections,
        "count": len(load.latencies),
        "seconds": round(load.seconds, 4),
        "per_second": round(load.per_second, 1),
        "bytes": load.received,
        **{f"p{p}_ms": round(load.percentile(p) * 1000, 4) for p in _PERCENTS},
        "server_cpu_us": _cpu_us(one),
    }


def _cpu_us(one: Measured) -> float | None:
    return None if one.cpu_seconds is None else round(one.cpu_seconds / len(one.load.latencies) * 1e6, 1)


def _row(one: Measured) -> tuple[object, ...]:
    names = {"annotations": f"annotations in {WINDOW} px", "mask": f"mask of {MASK} px"}
    load, cpu = one.load, _cpu_us(one)
    return (
        names.get(one.what, one.what),
        one.slide,
        one.connections,
        f"{load.per_second:,.0f}",
        f"{load.received / load.seconds / 1e6:.1f}",
        *(f"{load.percentile(p) * 1000:.2f}" for p in _PERCENTS),
        None if cpu is None else f"{cpu:,.0f}",
    )
