"""The embedded Prefect server's own process: ``python -P embedded.py PORT HOST``.

It ends when its standard input closes, so it never outlives the command that started it,
however that command ends.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from contextlib import suppress

import uvicorn


class _Server(uvicorn.Server):
    """A server that frees memory again once it has started, and knows when it touches files."""

    importing = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.importing = False  # from here on there is a database that wants to be left whole
        await super().startup(sockets)
        gc.freeze()
        gc.enable()


def serve(port: int, host: str) -> None:
    """Serve Prefect's API on one address of this machine until standard input closes."""
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        host=host,
        port=port,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    gc.disable()  # importing makes much and frees little: looking for it takes half a second

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        if server.importing:
            os._exit(0)  # else whoever waits for the end waits for imports
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(SystemExit):  # of a server that could not start
        server.run()
    sys.stderr.flush()
    # All is written. Taking the interpreter apart takes longer than serving a run, and is broken
    # off where the thread still reads.
    os._exit(0 if server.started else 3)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
