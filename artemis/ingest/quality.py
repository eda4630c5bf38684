"""Quality measures of a slice, and the pictures refused by them. Pure functions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artemis.ingest.reasons import Reason, scan_error
from artemis.preprocess import foreground_threshold, grey_counts
from artemis.settings import IngestSettings


@dataclass(frozen=True, slots=True)
class Quality:
    """Measures of one 8-bit grey picture.

    Attributes
    ----------
    width, height : int
        Size in pixels.
    mean_intensity : float
        Mean grey value, 0 to 255.
    contrast : float
        99th minus 1st percentile of the grey values, 0 to 255. Higher is better.
    foreground_fraction : float
        Share of pixels above `artemis.preprocess.foreground_threshold`, 0 to 1.
    entropy : float
        Shannon entropy of the 256-bin histogram, ``-sum p log2 p``, 0 to 8 bits.
    sharpness : float
        Variance of the 4-neighbour Laplacian, ``4 c - n - s - e - w``, of the inner pixels.
        Higher is sharper, and also noisier; compare only within a series.
    grey_levels : int
        Number of distinct grey values, 1 to 256.
    """

    width: int
    height: int
    mean_intensity: float
    contrast: float
    foreground_fraction: float
    entropy: float
    sharpness: float
    grey_levels: int

    def columns(self) -> dict[str, Any]:
        """Return the measures that are columns of the ``slices`` table."""
        columns = asdict(self)
        del columns["grey_levels"]
        return columns


def measure(picture: NDArray[np.uint8]) -> Quality:
    """Measure a picture.

    Parameters
    ----------
    picture : ndarray, (h, w), uint8
        Grey picture with at least one pixel.
    """
    height, width = picture.shape
    counts = grey_counts(picture)
    shares = counts / picture.size
    cumulated = np.cumsum(counts)
    low, high = (int(np.searchsorted(cumulated, q * picture.size)) for q in (0.01, 0.99))
    used = shares[shares > 0]
    above = int(np.floor(foreground_threshold(picture, counts))) + 1
    return Quality(
        width=width,
        height=height,
        mean_intensity=float(shares @ np.arange(256)),
        contrast=float(high - low),
        foreground_fraction=float(shares[above:].sum()),
        entropy=abs(float(used @ np.log2(used))),
        sharpness=_laplacian_variance(picture),
        grey_levels=int(np.count_nonzero(counts)),
    )


def _laplacian_variance(picture: NDArray[np.uint8]) -> float:
    if min(picture.shape) < 3:
        return 0.0
    grey = picture.astype(np.int16)
    laplacian = 4 * grey[1:-1, 1:-1]
    laplacian -= grey[:-2, 1:-1]
    laplacian -= grey[2:, 1:-1]
    laplacian -= grey[1:-1, :-2]
    laplacian -= grey[1:-1, 2:]
    return float(np.var(laplacian, dtype=np.float64))


def refuse_unusable(quality: Quality, settings: IngestSettings) -> None:
    """Refuse a picture that shows no slice.

    Raises
    ------
    ScanRefusedError
        With reason ``too_small``, ``blank`` or ``few_grey_levels``.
    """
    if min(quality.width, quality.height) < settings.min_side:
        raise scan_error(
            Reason.TOO_SMALL,
            f"at least {settings.min_side} x {settings.min_side} pixels",
            f"{quality.width} x {quality.height}",
        )
    if quality.contrast < settings.min_contrast:
        raise scan_error(
            Reason.BLANK,
            f"grey values that spread over at least {settings.min_contrast:g} of 255",
            f"a spread of {quality.contrast:g}",
        )
    if quality.foreground_fraction < settings.min_foreground:
        raise scan_error(
            Reason.BLANK,
            f"at least {settings.min_foreground:.0%} of the picture above the background",
            f"{quality.foreground_fraction:.1%}",
        )
    if quality.grey_levels < settings.min_grey_levels:
        raise scan_error(
            Reason.FEW_GREY_LEVELS,
            f"at least {settings.min_grey_levels} grey levels",
            f"{quality.grey_levels}",
        )


def refuse_oversized(width: int, height: int, settings: IngestSettings) -> None:
    """Refuse a frame by the size that its header states, before anything is allocated.

    Raises
    ------
    ScanError
        With reason ``too_large``, or ``bad_header`` where a side is not positive.
    """
    if min(width, height) < 1:
        raise scan_error(Reason.BAD_HEADER, "a positive width and height", f"{width} x {height}")
    if max(width, height) > settings.max_side or width * height > settings.max_pixels:
        raise scan_error(
            Reason.TOO_LARGE,
            f"at most {settings.max_side:,} pixels a side and {settings.max_pixels:,} in all",
            f"{width:,} x {height:,}",
        )
