"""The place a process runs in: the only reader of the environment and of the working folder."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from checkpointflow.errors import UsageError

DURABILITIES = ("power", "process")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process is told by its surroundings.

    `home` is the state folder, which may not exist yet; `actor` says who acts; `environment` is what commands inherit.
    """

    home: Path
    cwd: str
    actor: str
    host: str
    durability: Literal["power", "process"]
    environment: Mapping[str, str]


def load_settings(home: Path | None = None) -> Settings:
    """Return the settings of this process, `home` in place of the configured state folder if given.

    Raises:
        UsageError: `CPF_DURABILITY` is neither `power` nor `process`, or the working folder is gone.
    """
    environment = dict(os.environ)
    durability = environment.get("CPF_DURABILITY") or "power"
    if durability not in DURABILITIES:
        raise UsageError(f"`CPF_DURABILITY` is {durability[:40]!r}; set it to `power` or `process`")
    host = socket.gethostname()
    return Settings(
        home=home or _home(environment),
        cwd=_cwd(),
        actor=environment.get("CPF_ACTOR") or f"{_user()}@{host}",
        host=host,
        durability=cast(Literal["power", "process"], durability),
        environment=environment,
    )


def _home(environment: Mapping[str, str]) -> Path:
    chosen = environment.get("CPF_HOME") or environment.get("CHECKPOINTFLOW_BASE_DIR")
    return Path(os.path.realpath(chosen)) if chosen else Path(os.path.expanduser("~")) / ".checkpointflow"  # noqa: PTH111 - needs no home to exist


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        raise UsageError("the working folder no longer exists; change to one that does") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
