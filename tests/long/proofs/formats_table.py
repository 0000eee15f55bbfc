"""The table of real files in docs/reference/formats: made by the test that ingests them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN = "<!-- made by tests/flows/test_every_file.py; `bash tests/update-formats.sh` writes it anew -->"
END = "<!-- end of what is made -->"

_HEAD = ("file", "read by", "pixels, channels, planes", "level 0", "compared with", "differing pixels")


@dataclass(frozen=True, slots=True)
class Row:
    """One scan, or one line of a folder of small ones.

    Parameters
    ----------
    shape
        Size, channels, planes, times and scenes in words.
    kept
        How level 0 is stored, or why the scan is refused.
    differing
        How many pixels differ, in words; empty for what is refused.
    """

    name: str
    reader: str
    shape: str
    kept: str
    truth: str
    differing: str

    def cells(self) -> tuple[str, ...]:
        """Give the cells of the row."""
        return self.name, self.reader, self.shape, self.kept, self.truth, self.differing


def shape_in_words(width: int, height: int, counts: dict[str, int], kind: str) -> str:
    """Say a size and everything that there is more than one of."""
    more = [f"{count} {what}" for what, count in counts.items() if count > 1]
    return ", ".join([f"{width:,} x {height:,}", kind, *more])


def to_markdown(rows: Sequence[Row]) -> str:
    """Give the table with its marks."""
    lines = [" | ".join(_HEAD), "|".join(["---"] * len(_HEAD)), *(" | ".join(row.cells()) for row in rows)]
    head, rule, *body = lines
    return "\n".join([BEGIN, f"| {head} |", f"|{rule}|", *(f"| {line} |" for line in body), END])


def written(document: Path) -> str:
    """Give the table as the document has it; empty when there is none."""
    text = document.read_text()
    if BEGIN not in text or END not in text:
        return ""
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def write(document: Path, table: str) -> None:
    """Put the table in the document, in the place of the old one."""
    text = document.read_text()
    document.write_text(text.replace(written(document), table))
