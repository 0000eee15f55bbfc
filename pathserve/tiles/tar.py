"""Many pictures as one tar archive (POSIX ustar), the same bytes for the same pictures. Pure.

Every language reads tar, as a stream and with next to no work: a member is 512 bytes of header, the bytes themselves,
and zeros up to a multiple of 512.
"""

MEDIA_TYPE = "application/x-tar"
END = bytes(1024)
"""What stands behind the last member."""

MAX_NAME = 100
"""Most bytes of a member's name."""

MAX_SIZE = 8**11 - 1
"""Most bytes of a member."""

_BLOCK = 512
# Owner 0, readable by all, of time 0, a plain file: nothing that differs from one machine or moment to another.
_BEFORE_SIZE = b"0000644\0" + b"0000000\0" * 2
_TIME = b"00000000000\0"
_AFTER_CHECKSUM = b"0" + bytes(100) + b"ustar\x0000" + bytes(64 + 16 + 155 + 12)
# The checksum counts its own eight bytes as blanks.
_FIXED_SUM = sum(_BEFORE_SIZE) + sum(_TIME) + sum(_AFTER_CHECKSUM) + 8 * 0x20


def member(name: str, data: bytes) -> tuple[bytes, bytes, bytes]:
    """Give the parts of one member, to be sent one behind the other: header, data, padding.

    Raises
    ------
    ValueError
        When the name is no ASCII or longer than ``MAX_NAME``, or there are more than ``MAX_SIZE`` bytes.
    """
    raw = name.encode("ascii")
    if not 0 < len(raw) <= MAX_NAME or len(data) > MAX_SIZE:
        raise ValueError("this is no member of a tar archive")
    size = b"%011o\0" % len(data)
    checksum = b"%06o\0 " % (_FIXED_SUM + sum(raw) + sum(size))
    header = b"".join((raw.ljust(MAX_NAME, b"\0"), _BEFORE_SIZE, size, _TIME, checksum, _AFTER_CHECKSUM))
    return header, data, bytes(-len(data) % _BLOCK)
