"""Whole pyramids by PathServe and by other programs; how soon a slide can be viewed; threads; memory of a worker.

One interleaved run over a made slide of a gigapixel (`benchmarks.make_slide`): PathServe with one and with two threads,
``pathserve ingest`` (the whole command, which also judges the slide's quality), a copy of the file brought to the disk,
libvips' ``tiffsave`` and ``dzsave``, and ``large_image_converter``. CPU is that of each program and all its children.
Then, once each, the memory of a worker on slides of several sizes, and on those that are named.

Set the other programs up before: ``python -m benchmarks.pyramid_peers FOLDER``.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks import processes, pyramid_peers
from benchmarks.ingest import copy
from benchmarks.make_slide import write_slide
from benchmarks.measure import Figures, Runs, Spread, interleave, machine, ratio, spreads, table, write_json
from benchmarks.pyramid_peers import CONVERTER, DZSAVE, OPENSLIDE_DZSAVE, OPENSLIDE_TIFFSAVE, TIFFSAVE
from benchmarks.timed_ingest import HASHED, READY, VIEWABLE

OURS, ALONE, COMMAND, COPY = "PathServe, 2 threads", "PathServe, 1 thread", "pathserve ingest", "cp and fsync"
PEERS = {
    "libvips tiffsave": TIFFSAVE,
    "libvips tiffsave through OpenSlide": OPENSLIDE_TIFFSAVE,
    "libvips dzsave": DZSAVE,
    "libvips dzsave through OpenSlide": OPENSLIDE_DZSAVE,
    "large_image_converter": CONVERTER,
}
TARGETS = {
    "libvips tiffsave": 2.9,
    "libvips tiffsave through OpenSlide": 2.9,
    "libvips dzsave": 4.8,
    "libvips dzsave through OpenSlide": 4.8,
    "large_image_converter": 14.0,
}
"""How many times our CPU each of them should take."""

MOST_WORKER_BYTES = 64e6
_MOMENTS = (HASHED, VIEWABLE, READY)


def ours(slide: Path, scratch: Path, threads: int) -> Figures:
    """Ingest into an empty data folder with so many threads."""
    data = _empty(scratch / "data")
    finished = processes.run("benchmarks.timed_ingest", slide, data, str(threads))
    answer = orjson.loads(finished.output)
    figures = {
        f"{what}_{figure}": value for what in _MOMENTS for figure, value in answer["moments"][what].items()
    }  # fmt: skip
    parent, *workers = finished.peaks
    return {**_spent(finished), **figures, "parent_rss": parent, "worker_rss": max(workers)}


def command(slide: Path, scratch: Path) -> Figures:
    """Run ``pathserve ingest`` into an empty data folder."""
    data = _empty(scratch / "data")
    return _spent(processes.run("pathserve", "ingest", slide, "--data", data, "--json"))


def peer(what: str, slide: Path, scratch: Path, environments: Path) -> Figures:
    """Make a pyramid with another program."""
    folder = _empty(scratch / "peer")
    folder.mkdir()
    finished = processes.run_command(pyramid_peers.command(environments, what, slide, folder / "out.tiff"))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return {**_spent(finished), "bytes": size}


def _spent(finished: processes.Finished) -> dict[str, float]:
    return {"wall_s": finished.wall_seconds, "cpu_s": finished.cpu_seconds, "rss": max(finished.peaks)}


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def compare(slide: Path, scratch: Path, environments: Path, rounds: int) -> dict[str, Any]:
    """Run all programs in turn, print the tables and give the figures."""
    cases: dict[str, Callable[[], Figures]] = {
        OURS: partial(ours, slide, scratch, 2),
        ALONE: partial(ours, slide, scratch, 1),
        COMMAND: partial(command, slide, scratch),
        COPY: partial(copy, slide, scratch),
        **{name: partial(peer, what, slide, scratch, environments) for name, what in PEERS.items()},
    }
    runs = interleave(cases, rounds=rounds, warm_up=False)
    size = slide.stat().st_size
    print(
        f"\n{slide.name}: {size / 1e6:,.1f} MB\n\n{_programs(runs)}\n\n{_moments(runs)}\n\n{_targets(runs)}\n",
        flush=True,
    )
    return {
        "slide": slide.name,
        "file_bytes": size,
        "programs": {
            name: {figure: Spread.of(run[figure] for run in done) for figure in done[0]} for name, done in runs.items()
        },
        "cpu_times_ours": {name: ratio(runs, "cpu_s", name, OURS) for name in PEERS},
        "viewable_times_copy": _ratio(runs, f"{VIEWABLE}_wall_s"),
        "viewable_cpu_times_copy": _ratio(runs, f"{VIEWABLE}_cpu_s", "cpu_s"),
        "two_threads": ratio(runs, f"{READY}_wall_s", ALONE, OURS),
    }


def _programs(runs: Runs) -> str:
    wall, cpu = spreads(runs, "wall_s"), spreads(runs, "cpu_s")
    rows = [
        (
            name,
            wall[name].text("{:,.2f}"),
            cpu[name].text("{:,.2f}"),
            ratio(runs, "cpu_s", name, OURS).text("{:,.2f}"),
            Spread.of(run["rss"] / 1e6 for run in done).text("{:,.0f}") if "rss" in done[0] else "",
        )
        for name, done in runs.items()
    ]
    return table(("", "wall s", "CPU s", "CPU, times ours", "most RSS of a process, MB"), rows)


def _moments(runs: Runs) -> str:
    rows = [
        (
            f"{name}: {what}",
            Spread.of(run[f"{what}_wall_s"] for run in runs[name]).text("{:,.2f}"),
            Spread.of(run[f"{what}_cpu_s"] for run in runs[name]).text("{:,.2f}"),
        )
        for name in (OURS, ALONE)
        for what in _MOMENTS
    ]
    return table(("from the call until the slide is", "wall s", "CPU s"), rows)


def _targets(runs: Runs) -> str:
    rows = [
        (f"CPU of {name}, times ours", f">= {least}", ratio(runs, "cpu_s", name, OURS).text("{:,.2f}"))
        for name, least in TARGETS.items()
    ]
    rows += [
        ("wall until viewable, times that of copying", "<= 2", _ratio(runs, f"{VIEWABLE}_wall_s").text("{:,.2f}")),
        ("CPU until viewable, times that of copying", "", _ratio(runs, f"{VIEWABLE}_cpu_s", "cpu_s").text("{:,.2f}")),
        (
            "wall with one thread, times that with two",
            ">= 1.7",
            ratio(runs, f"{READY}_wall_s", ALONE, OURS).text("{:,.2f}"),
        ),
    ]
    return table(("", "target", "reached"), rows)


def _ratio(runs: Runs, figure: str, copied: str = "wall_s") -> Spread:
    return Spread.of(a[figure] / b[copied] for a, b in zip(runs[OURS], runs[COPY], strict=True))


def weigh(slides: Sequence[Path], scratch: Path) -> dict[str, Any]:
    """Ingest each slide once with two threads, beside a copy, and say what the worker took; it grows with nothing."""
    found = {}
    for slide in slides:
        copied, made = copy(slide, scratch), ours(slide, scratch, 2)
        found[slide.name] = {**made, "copy_wall_s": copied["wall_s"], "copy_cpu_s": copied["cpu_s"]}
    rows = [
        (
            name,
            f"{each['worker_rss'] / 1e6:,.0f}{'' if each['worker_rss'] <= MOST_WORKER_BYTES else ' (over)'}",
            f"{each['parent_rss'] / 1e6:,.0f}",
            f"{each[f'{VIEWABLE}_wall_s']:,.2f}",
            f"{each[f'{VIEWABLE}_wall_s'] / each['copy_wall_s']:,.2f}",
            f"{each[f'{READY}_wall_s']:,.2f}",
            f"{each['cpu_s']:,.2f}",
        )
        for name, each in found.items()
    ]
    header = (
        "slide, once each", "RSS of the worker, MB", "of its parent, MB", "wall s until viewable", "times copying",
        "wall s until ready", "CPU s",
    )  # fmt: skip
    print(f"{table(header, rows)}\n", flush=True)
    return found


def _made(scratch: Path, gigapixels: float, *, reduced: bool = False) -> Path:
    slide = scratch / f"made-{gigapixels:g}{'-levels' if reduced else ''}.svs"
    write_slide(slide, gigapixels=gigapixels, reduced=reduced)
    return slide


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=Path, required=True, help="folder of `benchmarks.pyramid_peers`")
    parser.add_argument("--gigapixels", type=float, default=1.0, help="size of the slide that all programs get")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=float, nargs="*", default=[0.4, 1.2, 5.0], help="gigapixels, for the memory")
    parser.add_argument("--slides", type=Path, nargs="*", default=[], help="further scans, for the memory")
    parser.add_argument("--scratch", type=Path, help="existing folder on the disk to measure; default: a temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    facts = {**machine(), "peers": pyramid_peers.versions(arguments.peers)}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        scratch = Path(folder)
        compared = [
            compare(_made(scratch, arguments.gigapixels, reduced=reduced), scratch, arguments.peers, arguments.rounds)
            for reduced in (False, True)
        ]
        weighed = weigh([*(_made(scratch, size) for size in arguments.sizes), *arguments.slides], scratch)
    if arguments.json is not None:
        write_json(arguments.json, machine=facts, rounds=arguments.rounds, compared=compared, weighed=weighed)


if __name__ == "__main__":
    main()
