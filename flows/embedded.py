"""The embedded Prefect server's own process: ``python -P embedded.py PORT HOST``.

It ends when its standard input closes, so it never outlives the command that started it,
however that command ends.
"""

from __future__ import annotations

import sys
import threading

import uvicorn


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
    server = uvicorn.Server(config)

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_parent, daemon=True).start()
    server.run()
    if not server.started:
        sys.exit(3)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
