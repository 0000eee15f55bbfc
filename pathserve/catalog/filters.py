"""Which slides somebody asks for, as a condition of SQL. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pathserve.db import Value, ascii_lower, placeholders

_MAX_WORDS = 20
_SEARCHED = ("slide.name", "slide.id", "slide.project", "slide.stain", "c.label", "c.patient")
_ESCAPE = "'\\'"


@dataclass(frozen=True, slots=True)
class SlideFilter:
    """What a slide must be; None and empty ask for nothing.

    Parameters
    ----------
    projects
        One of these; None means all, and none of them that no slide is asked for.
    project, case, patient, stain
        Exactly this.
    text
        Words, each of which stands somewhere in the slide's name, id, project, case, patient or stain; only the first
        20 count, and only letters of ASCII are the same in upper and lower case.
    """

    projects: Sequence[str] | None = None
    project: str | None = None
    case: str | None = None
    patient: str | None = None
    stain: str | None = None
    text: str = ""

    def condition(self) -> tuple[str, list[Value]]:
        """Give the condition, over ``slide`` and its case ``c``, and its values."""
        parts, values = ["true"], list[Value]()
        if self.projects is not None:
            parts.append(f"slide.project in ({placeholders(len(self.projects))})")
            values += self.projects
        exact = (("slide.project", self.project), ("c.label", self.case), ("c.patient", self.patient))
        for column, wanted in (*exact, ("slide.stain", self.stain)):
            if wanted is not None:
                parts.append(f"{column} = ?")
                values.append(wanted)
        for word in self.text.split()[:_MAX_WORDS]:
            parts.append(f"({' or '.join(f'lower({column}) like ? escape {_ESCAPE}' for column in _SEARCHED)})")
            values += [_anywhere(word)] * len(_SEARCHED)
        return " and ".join(parts), values


def _anywhere(word: str) -> str:
    for special in ("\\", "%", "_"):
        word = word.replace(special, "\\" + special)
    return f"%{ascii_lower(word)}%"
