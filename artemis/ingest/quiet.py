"""Keeps the reading libraries off the console."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Final

import PIL

_READERS: Final = (
    *("pydicom", "pylibjpeg", "openjpeg", "libjpeg", "rle", "nibabel", "PIL"),
    "highdicom",  # writes, and quotes names all the same
)
_MODULES: Final = re.compile(rf"({'|'.join(map(re.escape, _READERS))})(\.|$)")
_FILTER: Final = ("ignore", None, Warning, _MODULES, 0)
_LOGGERS: Final = tuple(map(logging.getLogger, (*_READERS, "nibabel.global")))
_SILENT: Final = logging.CRITICAL + 1


def mute_readers() -> None:
    """Keep the warnings and logs of the reading libraries off the console.

    For the whole process, since filters cannot be set for one thread; they quote
    values of the header, hence identifiers, and the reason is in the row anyway. Asked for at
    every image: others set filters and levels too. Where all is quiet it takes a microsecond.
    """
    if warnings.filters[:1] != [_FILTER]:
        warnings.filterwarnings("ignore", module=_MODULES.pattern)
    for logger in _LOGGERS:
        if logger.level != _SILENT:
            logger.setLevel(_SILENT)
    _mute_libtiff()


@cache
def _mute_libtiff() -> None:
    # Pillow leaves libtiff's own handler in place, which writes to stderr from C. Wheels
    # carry the library beside the package; a Pillow built otherwise stays as it is.
    package = Path(PIL.__file__).parent
    for folder in (package.parent / "pillow.libs", package / ".dylibs"):
        for library in folder.glob("libtiff*"):
            try:
                set_handler = ctypes.CDLL(str(library)).TIFFSetErrorHandler
            except (OSError, AttributeError):
                continue
            set_handler.argtypes = [ctypes.c_void_p]
            set_handler.restype = ctypes.c_void_p
            set_handler(None)
