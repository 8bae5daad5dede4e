"""Small files that are replaced whole: after a power cut there is the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, content: str) -> None:
    """Have a file hold just this, on disk."""
    half = path.with_suffix(".half")
    with half.open("w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    half.rename(path)
