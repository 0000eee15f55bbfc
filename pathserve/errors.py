"""Every error that PathServe raises on purpose, by cause.

::

    PathServeError
    ├── NotFound      there is no such thing (or the caller may not know of it)
    ├── Invalid       what was given breaks a rule
    │   └── Unsatisfiable      a range of bytes that the file does not have
    │   └── Malformed          an address is not of the form that a published interface has
    ├── Conflict      it clashes with what is there now
    │   ├── Stale              a write named an old revision
    │   ├── PreconditionNeeded a write named no revision at all
    │   └── Cancelled          somebody stopped it on purpose
    ├── Denied        the caller may not do this
    │   └── Unauthenticated    nobody knows who the caller is
    ├── Unsupported   a true thing that PathServe does not handle
    │   └── NotAcceptable      there is no form of it that the caller takes
    ├── Corrupt       stored or foreign bytes are damaged
    ├── TooLarge      it is over a limit
    └── Busy          not now; try again

``code`` is stable and for programs. ``message`` is one safe sentence for people: it never holds a path, a file
name or anything out of a scan's metadata, because those can be a patient's identity.
"""

import errno

DISK_FULL = "disk_full"
"""Code of what is refused because the disk is nearly full."""


class PathServeError(Exception):
    """Base of all errors with a stable code and a sentence that may be shown to anybody.

    Parameters
    ----------
    message
        One sentence, free of identity, paths and internals.
    code
        Stable name of the cause; the class has a default.
    """

    code: str = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class NotFound(PathServeError):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Invalid(PathServeError):
    """What was given breaks a rule."""

    code = "invalid"


class Malformed(Invalid):
    """An address is not of the form that a published interface, such as IIIF, prescribes."""

    code = "malformed"


class Unsatisfiable(Invalid):
    """A range of bytes that the file does not have."""

    code = "range_not_satisfiable"


class Conflict(PathServeError):
    """It clashes with what is there now."""

    code = "conflict"


class Stale(Conflict):
    """A write named a revision that is no longer the current one.

    Parameters
    ----------
    revision
        The current one, of an annotation or of a class schema, where it is known.
    """

    code = "stale"

    def __init__(self, message: str, *, code: str | None = None, revision: int | None = None) -> None:
        super().__init__(message, code=code)
        self.revision = revision


class PreconditionNeeded(Conflict):
    """A write named no revision although it must."""

    code = "precondition_required"


class Denied(PathServeError):
    """The caller is known and may not do this."""

    code = "denied"


class Unauthenticated(Denied):
    """Nobody knows who the caller is."""

    code = "unauthenticated"


class Unsupported(PathServeError):
    """A true thing that PathServe does not handle."""

    code = "unsupported"


class NotAcceptable(Unsupported):
    """There is no form of it that the caller takes."""

    code = "not_acceptable"


class Corrupt(PathServeError):
    """Stored or foreign bytes are damaged."""

    code = "corrupt"


class TooLarge(PathServeError):
    """It is over a limit."""

    code = "too_large"


class Busy(PathServeError):
    """Not now; the same request may go through later."""

    code = "busy"


class Cancelled(Conflict):
    """Somebody stopped it on purpose."""

    code = "cancelled"


def busy_when_full(error: OSError) -> Busy | None:
    """Give what to raise where nothing more could be written because the disk is full; None for any other cause."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return Busy("The disk is full.", code=DISK_FULL) if is_full else None
