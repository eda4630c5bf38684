"""Artemis: tumour type and anatomical plane of brain MRI slices, with honest figures.

For research use only; not a medical device.
"""

from __future__ import annotations

from typing import Final

__version__ = "0.1.0"

RESEARCH_USE: Final = "For research use only. Not a medical device."
"""The notice that every report, summary and model card carries."""
