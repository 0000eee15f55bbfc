"""Pictures whose truth is known: real tissue on real or made glass, and faults that are put in on purpose."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

INKS = {"green": (20, 140, 60), "blue": (40, 60, 200), "red": (215, 30, 40), "black": (25, 25, 30)}


def glass(height: int, width: int, colour: tuple[int, int, int] = (243, 243, 243), seed: int = 0) -> Picture:
    """Make bare glass with a camera's grain."""
    grain = np.random.default_rng(seed).normal(0, 1.5, (height, width, 3))
    return np.clip(np.rint(np.array(colour) + grain), 0, 255).astype(np.uint8)


def blob(height: int, width: int, share: float, seed: int) -> Mask:
    """Make patches with smooth outlines that cover a share of the picture."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 40 + 2, width // 40 + 2), np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC), np.float32)
    return np.asarray(smooth > np.quantile(smooth, 1 - share))


def tiled(patch: Picture, height: int, width: int) -> Picture:
    """Mirror a patch until it fills a size."""
    both = np.concatenate([patch, patch[::-1]])
    both = np.concatenate([both, both[:, ::-1]], axis=1)
    return np.tile(both, (-(-height // both.shape[0]), -(-width // both.shape[1]), 1))[:height, :width]


def on_glass(under: Picture, tissue: Picture, where: Mask, strength: float = 1.0) -> Picture:
    """Lay tissue on glass, stained as strongly as wished: density is what adds up (Beer and Lambert)."""
    stained = under * (tissue / 255.0) ** strength
    return np.rint(np.where(where[..., None], stained, under)).astype(np.uint8)


def compressed(picture: Picture, quality: int = 80) -> Picture:
    """Send a picture through JPEG."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


def blurred(picture: Picture, sigma: float) -> Picture:
    """Put a picture out of focus by a Gaussian, computed in Fourier space over its mirror image."""
    height, width, _ = picture.shape
    mirrored = tiled(picture, 2 * height, 2 * width).astype(np.float64)
    squared = np.fft.fftfreq(2 * height)[:, None] ** 2 + np.fft.rfftfreq(2 * width) ** 2
    weight = np.exp(-2 * np.pi**2 * sigma**2 * squared)[..., None]
    soft = np.fft.irfft2(np.fft.rfft2(mirrored, axes=(0, 1)) * weight, (2 * height, 2 * width), axes=(0, 1))
    return np.clip(np.rint(soft[:height, :width]), 0, 255).astype(np.uint8)


def pen_stroke(picture: Picture, colour: str, seed: int, width: int = 14) -> tuple[Picture, Mask]:
    """Draw a stroke of a felt pen; it lets a little light through, as ink does."""
    rng = np.random.default_rng(seed)
    height, across, _ = picture.shape
    corner = rng.uniform(0.1, 0.5, 2) * (across, height)
    size = rng.uniform(0.25, 0.45, 2) * (across, height)
    canvas = Image.new("L", (across, height))
    angle = int(rng.integers(0, 360))
    box = (*corner.tolist(), *(corner + size).tolist())
    ImageDraw.Draw(canvas).arc(box, angle, angle + int(rng.integers(120, 360)), fill=255, width=width)
    share = np.asarray(canvas.filter(ImageFilter.GaussianBlur(1.0)), np.float32)[..., None] / 255
    inked = picture * (np.array(INKS[colour]) / 245.0) ** 0.95
    return np.clip(np.rint(picture * (1 - share) + inked * share), 0, 255).astype(np.uint8), share[..., 0] > 0.5


def fold(picture: Picture, tissue: Mask, mpp: float, seed: int) -> tuple[Picture, Mask]:
    """Double the density of tissue along a bent band of 60 to 110 micrometres."""
    rng = np.random.default_rng(seed)
    y, x = np.nonzero(tissue)
    at = int(rng.integers(len(y)))
    angle, half = rng.uniform(0, np.pi), rng.uniform(30, 55) / mpp
    rows, cols = np.mgrid[: picture.shape[0], : picture.shape[1]]
    along = (cols - x[at]) * np.cos(angle) + (rows - y[at]) * np.sin(angle)
    across = (rows - y[at]) * np.cos(angle) - (cols - x[at]) * np.sin(angle)
    bend = 40 / mpp * np.sin(along * mpp / 200)
    band = (np.abs(along) * mpp < 350) & (np.abs(across + bend) < half) & tissue
    doubled = np.clip(picture.astype(np.float64) ** 2 / 245, 0, 255)
    return np.rint(np.where(band[..., None], doubled, picture)).astype(np.uint8), band


def overlap(found: Mask, truth: Mask) -> float:
    """Give intersection over union."""
    return float((found & truth).sum() / max(1, (found | truth).sum()))
