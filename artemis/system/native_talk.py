"""What native libraries write to the terminal by themselves, and no setting of theirs stops."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOCK: Final = threading.Lock()


@contextmanager
def native_talk_silenced() -> Iterator[None]:
    """Send what is written to the descriptor of standard error nowhere, in this context.

    Native libraries write there and not to `sys.stderr`. Errors that they raise are raised as
    ever; other threads are silent meanwhile too, so it is for short moments.
    """
    with _LOCK:
        kept = os.dup(2)
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
                yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
