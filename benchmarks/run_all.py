"""Run every benchmark of this folder, one after the other (`make bench`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = ("train_step.py", "generate.py")


def main() -> None:
    """Run each script in a process of its own, so that none inherits another's memory or threads."""
    for script in SCRIPTS:
        subprocess.run([sys.executable, Path(__file__).parent / script, *sys.argv[1:]], check=True)


if __name__ == "__main__":
    main()
