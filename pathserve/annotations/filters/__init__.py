"""Filters that users write, such as ``class = 'Tumor' AND measurements."Nucleus: Area" > 40``; never evaluated as code.

A text is parsed to a tree of frozen values by an allow-list (`parse`), and the tree is worked out over the arrays of
`labels.Columns` (`evaluate`). Names, signs and limits: ``docs/reference/http.md``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pathserve.annotations.filters.evaluate import matching_rows
from pathserve.annotations.filters.parse import ROOTS, parse_condition
from pathserve.annotations.filters.tree import Condition, names_in
from pathserve.labels import Columns

__all__ = ["Filter", "parse_filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was parsed; equal ones ask the same."""

    condition: Condition

    @property
    def names(self) -> frozenset[str]:
        """The facts that it asks for: ``class``, ``area``, ``author``, ``measurements`` and so on, without members."""
        return frozenset(name.path[0] for name in names_in(self.condition))

    @property
    def reads_properties(self) -> bool:
        """Whether the JSON of annotations is looked at; else `Columns.properties` may be empty texts."""
        return not self.names.isdisjoint({*ROOTS, "name"})

    def mask(self, columns: Columns, authors: Mapping[int, str] | None = None) -> npt.NDArray[np.bool_]:
        """Tell (N,) bool which annotations it lets through.

        As in SQL a comparison with a value that is not there, or is of another type, is neither true nor false, and
        only what is true is let through.

        Parameters
        ----------
        authors
            Author by revision, for all of ``columns.revisions``; needed when `names` has ``author``.
        """
        return matching_rows(self.condition, columns, authors or {})


def parse_filter(text: str) -> Filter:
    """Read a filter.

    Raises
    ------
    Invalid
        With the code ``bad_filter`` when it is none, or passes a limit.
    """
    return Filter(parse_condition(text))
