"""What the beginning of a JSON text tells of the whole, for telling formats apart. Nothing in it recurses."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

import orjson

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_TEXT = rb'"(?:[^"\\]|\\.)*+"'
_PLAIN = rb'[^\[\]{}"]*+'
_NUMBERS = rb"\[" + _PLAIN + rb"\]"
_POSITIONS = rb"\[" + _PLAIN + rb"(?:" + _NUMBERS + _PLAIN + rb")*+\]"
_RINGS = rb"\[" + _PLAIN + rb"(?:" + _POSITIONS + _PLAIN + rb")*+\]"
"""Arrays in which no text and no object stands are one token: files are full of coordinates."""

_TOKEN = re.compile(rb"[\s\x1e]*+(" + _RINGS + rb"|[{}\[\]:,]|" + _TEXT + rb'|[^\s{}\[\]:,"]++)', re.DOTALL)
_BRACKET = re.compile(rb'(?:[^{}\[\]"]++|' + _TEXT + rb")*+(" + _RINGS + rb"|[{}\[\]])", re.DOTALL)
_MAX_TEXT = 4096


@dataclass(frozen=True, slots=True)
class Outline:
    """Members of the outermost object, and of the first object in each of its arrays, as far as a text's head shows.

    Parameters
    ----------
    kind
        ``{`` or ``[``, or empty for what is neither.
    members
        Name -> text of a member that is a text; None for any other.
    first
        Member -> outline of the first object in the array or object that it is; of an outermost array under the empty
        name.
    """

    kind: str = ""
    members: dict[str, str | None] = field(default_factory=dict)
    first: dict[str, "Outline"] = field(default_factory=dict)


@lru_cache(maxsize=1)
def outline(head: bytes) -> Outline:
    """Read the outline of a JSON text from its first bytes; what is cut off or no JSON ends it, without an error.

    Every format asks for that of the same bytes; the newest is kept, and nobody changes it.
    """
    walk = _Outliner()
    walk.run(head.removeprefix(BYTE_ORDER_MARK))
    return walk.found


class _Outliner:
    """Follows the tokens of a text, two objects deep."""

    def __init__(self) -> None:
        self.found = Outline()
        self._path: list[str] = []  # the brackets that are open
        self._names: list[str] = []  # the newest member of each bracket
        self._objects: list[Outline | None] = []  # whose members stand in each bracket, if anybody asks

    def run(self, text: bytes) -> None:
        """Read tokens until they end."""
        before, place = b"", 0
        while (match := (_BRACKET if self._is_beyond() else _TOKEN).match(text, place)) is not None:
            token, place = match[1], match.end()
            if token in b"{[":
                self._open(token.decode())
            elif token in b"}]":
                if not self._path:
                    return
                self._close()
                if not self._path:
                    return
            elif not self._path:
                if token[:1] == b"[":
                    self._open("[")
                return
            elif token == b":" and before[:1] == b'"':
                self._name(before)
            elif before == b":" and token[:1] == b'"':
                self._text(token)
            before = token

    def _is_beyond(self) -> bool:
        """Tell whether nobody asks what stands in the innermost bracket, however deep: only where it ends."""
        return len(self._path) > 2 and self._objects[-1] is None

    def _open(self, bracket: str) -> None:
        mine: Outline | None = None
        if not self._path:
            self.found = Outline(bracket)
            mine = self.found if bracket == "{" else None
        elif bracket == "{" and self._within_first():
            name = self._names[0]
            mine = self.found.first.setdefault(name, Outline("{")) if name not in self.found.first else None
        self._path.append(bracket)
        self._names.append("")
        self._objects.append(mine)

    def _within_first(self) -> bool:
        """Tell whether an object that begins here is a member of the outermost bracket, or of an array in it."""
        return len(self._path) == 1 or (len(self._path) == 2 and self._path == ["{", "["])

    def _close(self) -> None:
        self._path.pop()
        self._names.pop()
        self._objects.pop()

    def _name(self, token: bytes) -> None:
        name = _text(token)
        self._names[-1] = name
        mine = self._objects[-1]
        if mine is not None:
            mine.members.setdefault(name, None)

    def _text(self, token: bytes) -> None:
        mine = self._objects[-1]
        if mine is not None and mine.members.get(self._names[-1]) is None:
            mine.members[self._names[-1]] = _text(token)


def _text(token: bytes) -> str:
    if len(token) > _MAX_TEXT:
        return ""
    try:
        return str(orjson.loads(token))
    except orjson.JSONDecodeError:
        return ""
