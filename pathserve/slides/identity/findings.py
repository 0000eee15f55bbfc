"""What may name a person in a scan: where it stands, what it is called, of what kind it is; values only when asked."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pathserve.slides.identity.vocabulary import is_plain, kind_of

Kind = Literal["name", "date", "id", "place", "free text", "picture", "file name", "unknown"]
Values = Literal["none", "masked", "shown"]

KINDS: tuple[Kind, ...] = get_args(Kind)

MAX_FINDINGS = 2_000
"""Most places of one scan that are listed one by one; further ones are counted."""

_NUMBER = re.compile(r" \d+")
_SWITCHES = ("true", "false", "yes", "no", "none", "null")
# Too short for a case or a person; what is longer may be a number of either.
_SMALL_NUMBER = re.compile(r"[-+]?\d{1,4}|[-+]?\d{1,4}\.\d*([eE][-+]?\d+)?")
_MAX_VALUES = 5
_MAX_VALUE = 200
_MAX_FIELD = 64


def _kind_held(name: str, text: str) -> Kind | None:
    """Tell what a field holds by its name; None when it describes pixels, or is a switch or a small number."""
    kind = kind_of(name)
    if kind == "technical" or text.lower() in _SWITCHES:
        return None
    if kind == "unknown":
        return None if _SMALL_NUMBER.fullmatch(text) else "unknown"
    return kind


def masked(text: str) -> str:
    """Give the first character of a text and how long it is: enough to recognise, too little to read."""
    return f"{text[:1]}… ({len(text):,} characters)" if text else ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One field in one place of a scan.

    Parameters
    ----------
    place
        Where, in words and numbers of PathServe: ``"IFD 3 / ImageDescription"``.
    field
        What the scan calls it.
    known
        Whether the field's name is one of a standard, or made of common words only. The name of another one may itself
        say something about somebody.
    count
        How often it was met there.
    values
        A few of its values, masked unless they were asked for, or none.
    """

    place: str
    field: str
    kind: Kind
    known: bool
    count: int
    values: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "place": self.place,
            "field": self.field,
            "kind": self.kind,
            "known": self.known,
            "count": self.count,
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True)
class IdentityReport:
    """Everything found in one scan, in the order in which it lies there; ``more`` counts what was not listed.

    ``incomplete`` names the parts that could not be searched to their end.
    """

    findings: tuple[Finding, ...] = ()
    more: int = 0
    incomplete: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON values."""
        return {
            "found": [finding.to_dict() for finding in self.findings],
            "more": self.more,
            "incomplete": list(self.incomplete),
        }

    @classmethod
    def parse(cls, message: Mapping[str, Any]) -> "IdentityReport":
        """Read what :meth:`to_dict` gave."""
        found = tuple(
            Finding(
                str(item["place"]),
                str(item["field"]),
                item["kind"] if item["kind"] in KINDS else "unknown",
                bool(item["known"]),
                int(item["count"]),
                tuple(map(str, item["values"])),
            )
            for item in message["found"]
        )
        return cls(found, int(message["more"]), tuple(map(str, message["incomplete"])))

    def summary(self) -> dict[str, Any]:
        """Give what may be kept of the report: places, kinds, counts, and names that can name nobody; never a value.

        ``field`` is None where a scan's own words are its fields' names: they are counted, and
        ``pathserve inspect`` shows them.
        """
        items = Counter[tuple[str, str | None, Kind]]()
        kinds = Counter[Kind]()
        for found in self.findings:
            # What is not understood is counted over all images of a file together.
            place = _NUMBER.sub(" *", found.place) if found.kind == "unknown" else found.place
            items[place, found.field if found.known else None, found.kind] += found.count
            kinds[found.kind] += found.count
        return {
            "kinds": {kind: kinds[kind] for kind in KINDS if kinds[kind]},
            "dropped": [
                {"place": place, "field": name, "kind": kind, "count": count}
                for (place, name, kind), count in items.items()
            ],
            "more": self.more,
            "incomplete": list(self.incomplete),
        }


@dataclass(slots=True)
class Findings:
    """Collects what is found, within limits.

    Parameters
    ----------
    values
        Whether values are left out, masked or shown.
    """

    values: Values = "none"
    more: int = 0
    _counts: Counter[tuple[str, str, Kind, bool]] = field(default_factory=Counter)
    _samples: dict[tuple[str, str, Kind, bool], list[str]] = field(default_factory=dict)
    _unknown: int = 0
    _incomplete: dict[str, None] = field(default_factory=dict)

    def add(self, place: str, name: str, value: str, *, kind: Kind | None = None, known: bool | None = None) -> None:
        """Note a field that holds something; what only describes pixels, by its name, is passed over.

        Parameters
        ----------
        kind
            What is known of the field; None goes by its name.
        known
            Whether the field's name is one of a standard; None tells by its words.
        """
        tidy = "".join(c for c in name if c.isprintable()).strip()[:_MAX_FIELD] or "(no name)"
        text = "".join(c if c.isprintable() else " " for c in value[: 4 * _MAX_VALUE]).strip()
        held = kind or _kind_held(tidy, text)
        if not text or held is None:
            return
        key = (place, tidy, held, is_plain(tidy) if known is None else known)
        if key not in self._counts and self._is_full(held):
            self.more += 1
            return
        self._counts[key] += 1
        if self.values != "none":
            samples = self._samples.setdefault(key, [])
            shown = text[:_MAX_VALUE] if self.values == "shown" else masked(text)
            if shown not in samples and len(samples) < _MAX_VALUES:
                samples.append(shown)

    def _is_full(self, kind: Kind) -> bool:
        """Tell whether no more fits; what is not understood leaves half of the room to what is."""
        if kind != "unknown":
            return len(self._counts) >= MAX_FINDINGS
        self._unknown += 1
        return self._unknown > MAX_FINDINGS // 2

    def stopped(self, place: str) -> None:
        """Note that a part could not be searched to its end."""
        self._incomplete[place] = None

    def report(self) -> IdentityReport:
        """Give everything found so far."""
        found = tuple(
            Finding(place, name, kind, known, count, tuple(self._samples.get((place, name, kind, known), ())))
            for (place, name, kind, known), count in self._counts.items()
        )
        return IdentityReport(found, self.more, tuple(self._incomplete))
