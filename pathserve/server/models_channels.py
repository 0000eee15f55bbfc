"""Shapes of JSON answers about channels."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from pathserve.pixels import Channel
from pathserve.pyramid.histograms import PERCENTILES, Histogram
from pathserve.pyramid.layout import Facts, sample_range


class HistogramModel(BaseModel):
    """How a channel is shown, and how often its values occur."""

    name: str
    color: tuple[int, int, int]
    window: tuple[float, float] = Field(description="Values shown as black and as full colour when nobody says else.")
    auto: tuple[float, float] = Field(description="The window that the histogram suggests.")
    min: float | None = Field(description="Least sample; null when no sample is a number.")
    max: float | None = Field(description="Greatest sample.")
    edges: list[float] = Field(description="Where each bin begins, and where the last one ends.")
    counts: list[int] = Field(description="Samples of each bin.")

    @classmethod
    def of(cls, channel: Channel, histogram: Histogram, dtype: str) -> "HistogramModel":
        """Describe a channel."""
        # As the composer chooses: eight bits without a window are shown as they are, what is wider never is.
        window = channel.window or (sample_range(dtype) if dtype == "uint8" else histogram.window)
        return cls(
            name=channel.name,
            color=channel.color,
            window=window,
            auto=histogram.window,
            min=histogram.low if histogram.counts else None,
            max=histogram.high if histogram.counts else None,
            edges=histogram.edges if histogram.counts else [],
            counts=list(histogram.counts),
        )


class ChannelsModel(BaseModel):
    """The channels of a slide."""

    rgb: bool = Field(description="Whether it is a colour scan: channels are red, green and blue of each pixel.")
    dtype: str = Field(description="Numpy name of the samples' type.")
    planes: int
    default_plane: int = Field(description="The plane that is shown when nobody names one.")
    times: int
    percentiles: tuple[float, float] = Field(description="Per cent of the samples below `auto`, and up to its end.")
    items: list[HistogramModel]
    next: str | None = Field(description="Null: there is one page.")

    @classmethod
    def of(cls, facts: Facts, histograms: Sequence[Histogram]) -> "ChannelsModel":
        """Describe the channels of a slide."""
        return cls(
            rgb=facts.rgb,
            dtype=facts.dtype,
            planes=facts.planes,
            default_plane=facts.default_plane,
            times=facts.times,
            percentiles=PERCENTILES,
            items=[
                HistogramModel.of(channel, histogram, facts.dtype)
                for channel, histogram in zip(facts.channels, histograms, strict=True)
            ],
            next=None,
        )
