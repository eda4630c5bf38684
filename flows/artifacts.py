"""What Prefect's page shows of a run."""

from __future__ import annotations


def linked(address: str) -> str:
    """Return a Markdown link whose words are its address, to be copied.

    A browser that shows Prefect's page does not follow a link from there to a file.
    """
    return f"[`{address}`]({address})"
