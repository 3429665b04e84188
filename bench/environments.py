"""The environments of the peers: each is installed into its own, and who cannot be is said to be missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.processes import environment

PEERS: Mapping[str, tuple[str, ...]] = {
    "checkpointflow-1.10.0": ("checkpointflow==1.10.0",),
    "zeroflow": ("zeroflow==0.1.0",),
    "dbos": ("dbos",),
    "agent-framework": ("agent-framework-core",),
    "langgraph": ("langgraph", "langgraph-checkpoint-sqlite"),
}


def installed(folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the `bin` folder of each peer's environment, and of those that could not be installed why not."""
    found, missing = dict[str, Path](), dict[str, str]()
    for name, packages in PEERS.items():
        try:
            found[name] = _install(folder / name, packages)
        except subprocess.CalledProcessError as error:
            lines = (error.stderr or error.stdout or "").strip().splitlines()
            missing[name] = f"it cannot be installed on Python {sys.version.split()[0]}: {(lines or ['?'])[-1][:200]}"
    return found, missing


def _install(folder: Path, packages: tuple[str, ...]) -> Path:
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        (folder / "installed").write_text("\n".join(packages))
    return python.parent


def _run(*words: str) -> None:
    subprocess.run(words, env=environment(), check=True, capture_output=True, text=True)
