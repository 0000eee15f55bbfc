"""Which values of a channel are shown as black and as full colour, where the scan does not say."""

from dataclasses import replace

from pathserve.pyramid.layout import Facts
from pathserve.pyramid.reader import Pyramid


def with_windows(pyramid: Pyramid) -> Facts:
    """Give a pyramid's facts with a window for every channel of a scan that is not in colour.

    Where the scan states none it is the one that the channel's histogram suggests.
    """
    facts = pyramid.facts
    if facts.rgb or all(channel.window is not None for channel in facts.channels):
        return facts
    channels = zip(facts.channels, pyramid.histograms(), strict=True)
    return replace(
        facts,
        channels=tuple(
            replace(channel, window=histogram.window) if channel.window is None and histogram.counts else channel
            for channel, histogram in channels
        ),
    )
