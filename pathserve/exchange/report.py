"""What an import or export did, as values that the command line and HTTP both give."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pathserve.exchange.frames import Fit, Frame
from pathserve.formats.contract import Format, Losses
from pathserve.labels import FeatureIssue

MAX_NAMED = 1000
"""Features that a report names one by one in each of its lists; all are counted."""


_LINES, _FIRST = 3, 5


@dataclass(slots=True)
class Issues:
    """What happened to some features: the first `MAX_NAMED` of them, and how many there are, also by code."""

    count: int = 0
    named: list[FeatureIssue] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def add(self, index: int, code: str, message: str) -> None:
        """Take note of one feature."""
        self.count += 1
        self.codes[code] += 1
        if len(self.named) < MAX_NAMED:
            self.named.append(FeatureIssue(index, code, message))

    def lines(self) -> list[str]:
        """Give a few lines for people: what is the same of many features is said once, with the first of them."""
        found = list[str]()
        named = dict[str, dict[str, list[int]]]()
        for issue in sorted(self.named, key=lambda issue: issue.index):
            named.setdefault(issue.code, {}).setdefault(issue.message, []).append(issue.index)
        for code in dict.fromkeys((*named, *self.codes)):
            many, places = self.codes[code], named.get(code, {})
            shown = list(places.items())[:_LINES]
            for message, indices in shown:
                count = many if len(places) == 1 else len(indices)
                found.append(f"{_features(indices, count)}: {message}")
            more = many - sum(len(indices) for _, indices in shown)
            if len(places) != 1 and more:
                found.append(f"{more:,} more of this kind ({code}).")
        return found

    def listed(self) -> list[dict[str, Any]]:
        """Give the named ones, by their place in the file."""
        return [asdict(issue) for issue in sorted(self.named, key=lambda issue: issue.index)]


def _features(indices: Sequence[int], count: int) -> str:
    """Name the first of ``count`` features."""
    if count == 1:
        return f"feature {indices[0]}"
    first = ", ".join(map(str, indices[:_FIRST]))
    return f"{count:,} features ({first}{', ...' if count > _FIRST else ''})"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Parameters
    ----------
    read
        Features of the file. Each was created, known (there already with the same content), replaced or refused, so
        these four add up to it.
    known_elsewhere
        How many of those known lie in other layers than the one asked for, by layer; they stay there.
    conflicts
        Which of those created got an id of their own, because theirs was there with other content.
    made_ids
        Features without an id, which got one made from their content.
    outside
        Features of which a part lies outside of the slide; they are kept.
    """

    form: Format
    frame: Frame
    assumed: tuple[str, ...]
    layer: str
    revision: int
    read: int
    created: int
    known: int
    known_elsewhere: Mapping[str, int]
    replaced: int
    made_ids: int
    outside: int
    conflicts: Issues
    repaired: Issues
    refused: Issues
    losses: Losses
    fit: tuple[Fit, ...]

    @property
    def is_refused(self) -> bool:
        """Whether the file had features and none of them is there now."""
        return self.read > 0 and self.refused.count == self.read

    @property
    def is_partly_refused(self) -> bool:
        """Whether some features were refused."""
        return self.refused.count > 0

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "format": self.form.name,
            "layer": self.layer,
            "revision": self.revision,
            "read": self.read,
            "created": self.created,
            "there_already": self.known,
            "there_already_elsewhere": [{"layer": name, "count": many} for name, many in self.known_elsewhere.items()],
            "replaced": self.replaced,
            "made_ids": self.made_ids,
            "outside_slide": self.outside,
            "conflicts": self.conflicts.listed(),
            "conflicts_count": self.conflicts.count,
            "repaired": self.repaired.listed(),
            "repaired_count": self.repaired.count,
            "refused": self.refused.listed(),
            "refused_count": self.refused.count,
            "losses": losses_to_json(self.losses),
            "frame": frame_to_json(self.frame),
            "assumed": list(self.assumed),
            "fit": [asdict(fit) for fit in self.fit],
        }


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export wrote, of which revision, in which frame, and what the format could not hold.

    Parameters
    ----------
    written
        Annotations of which the file holds something; ``losses`` names those that it had to leave out.
    """

    form: Format
    frame: Frame
    revision: int
    written: int
    losses: Losses

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "format": self.form.name,
            "revision": self.revision,
            "written": self.written,
            "losses": losses_to_json(self.losses),
            "frame": frame_to_json(self.frame),
        }


def losses_to_json(losses: Losses) -> list[dict[str, Any]]:
    """Give what was lost as JSON has it."""
    return [{"code": code, "message": message, "count": count} for code, message, count in losses.items()]


def frame_to_json(frame: Frame) -> dict[str, Any]:
    """Give a frame as JSON has it."""
    return {
        "origin": frame.origin,
        "unit": frame.unit,
        "mpp": None if frame.mpp is None else [frame.mpp.x, frame.mpp.y],
        "to_slide": list(frame.to_slide),
    }
