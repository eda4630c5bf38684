"""Which part of a batch a process takes when many share it, without talking to each other.

A batch is divided by what its parts are and not by where they stand in a list, so that a part
stays with its shard whatever else the folder holds. A DICOM file goes by its study (else its
series), so that a study is never divided; any other file by its path relative to the batch
folder, so that it does not matter where the folder is mounted. By content would mean that every
shard reads every byte of the batch; so every shard reads every header, and the pixels of its own
share alone.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

_FORM: Final = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})")
_DOMAIN: Final = b"artemis shard 1\0"
_HASH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the parts of a batch.

    Attributes
    ----------
    number : int
        Which, from 1.
    of : int
        Into how many the batch is divided.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2/4``.

        Raises
        ------
        ValueError
            If it is not of that form, or the number is beyond the count.
        """
        form = _FORM.fullmatch(text)
        if form is None or int(form[1]) > int(form[2]):
            raise ValueError(f"expected a shard such as 2/4, from 1/4 to 4/4. Received {text!r}.")
        return cls(int(form[1]), int(form[2]))

    def holds(self, unit: bytes) -> bool:
        """Return whether what has this identity is of this shard; it is of exactly one."""
        digest = hashlib.sha256(_DOMAIN + unit).digest()
        return int.from_bytes(digest[:_HASH_BYTES], "big") % self.of == self.number - 1
