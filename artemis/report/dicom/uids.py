"""Unique identifiers of exported objects: the same for the same object, under one root."""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

ROOT: Final = "2.25."
"""Root of identifiers made of a UUID, for which nobody needs to register (PS3.5 B.2)."""

_NAMESPACE: Final = UUID("5a2f1f0e-3c52-5e0b-9b0e-6f6b8d1c4a77")  # of Artemis's exports alone


def derived_uid(*names: str) -> str:
    """Return the identifier of what these names name: ``2.25.`` and a version-5 UUID.

    An export made again gives its objects the same identifiers, so that an archive knows
    them; RFC 9562, section 5.5.
    """
    return f"{ROOT}{uuid5(_NAMESPACE, chr(0).join(names)).int}"
