"""Channels as scans name them: names that can be shown, colours for those that have none."""

from pathserve.pixels import Channel

MAX_NAME = 64
_WHITE = (255, 255, 255)
# Told apart by most people who do not see all colours; fluorescence panels begin with a nuclear stain, so blue first.
_PALETTE = ((0, 114, 255), (0, 220, 90), (255, 70, 40), (255, 200, 0), (220, 80, 255), (0, 230, 230), (255, 140, 190))


def make_channel(
    index: int,
    count: int,
    *,
    name: str | None = None,
    color: tuple[int, int, int] | None = None,
    window: tuple[float, float] | None = None,
) -> Channel:
    """Make a channel of what a scan states about it.

    Parameters
    ----------
    index, count
        Which channel, from 0, of how many.
    name
        Free text of the scan; when nothing printable of at most ``MAX_NAME`` characters, the channel is ``Channel N``.
    color
        Display colour, or None when none is stated: white for a single channel, else one of a fixed palette.
    """
    tidy = " ".join((name or "").split())
    if not 0 < len(tidy) <= MAX_NAME or not tidy.isprintable():
        tidy = f"Channel {index + 1}"
    if color is None:
        color = _WHITE if count == 1 else _PALETTE[index % len(_PALETTE)]
    return Channel(tidy, color, window)
