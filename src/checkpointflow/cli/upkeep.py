"""What `cpf doctor` says of how a store is looked after: how much it keeps, and what drives it by itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from checkpointflow import clock
from checkpointflow.cli.checks import Check
from checkpointflow.clock import SystemClock

if TYPE_CHECKING:
    from checkpointflow.client import Client
    from checkpointflow.config import Settings

OLD_SECONDS = 30 * 86400.0
MANY_RUNS, MANY_BYTES = 1000, 1024**3
TICK_SECONDS = 900.0
"""A tick longer ago than this is none of a timer that goes every few minutes."""

_MIB = 1024**2


def retention(client: Client, settings: Settings) -> Iterator[Check]:
    """Say how many runs have settled, how long ago, and how much room they take."""
    kept = client.retention(OLD_SECONDS)
    store = (settings.home / "runs.db").stat().st_size
    message = (
        f"settled runs: {sum(kept.settled.values())}, {kept.old} of them ended more than 30 days ago; "
        f"the store takes {store / _MIB:,.1f} MiB and the files of runs {kept.files_bytes / _MIB:,.1f} MiB"
    )
    if kept.old >= MANY_RUNS or (kept.old and store + kept.files_bytes >= MANY_BYTES):
        yield Check("retention", "warning", message, "forget old runs: `cpf gc --older-than 30d --dry-run` says which")
    else:
        yield Check("retention", "ok", message)


def drivers(client: Client, settings: Settings, *, waiting: int) -> Iterator[Check]:
    """Say what drives the store by itself; `waiting` is how many runs only go on if something does."""
    found = client.drivers()
    workers = [one for one in found if one.kind == "worker"]
    ticks = sorted(one.at for one in found if one.kind == "tick")
    if workers:
        listed = ", ".join(f"process {one.pid} on `{one.host}` (pool `{one.pool}`)" for one in workers[:5])
        yield Check("drivers", "ok", f"{len(workers)} workers drive what is due: {listed}")
        return
    said = f"the last tick was at {clock.to_text(ticks[-1])}" if ticks else "there was no tick yet"
    if ticks and SystemClock().now() - ticks[-1] < timedelta(seconds=TICK_SECONDS):
        yield Check("drivers", "ok", f"no worker lives, and {said}")
        return
    install = lines(settings, sys.executable)
    if waiting:
        message = f"nothing drives this store by itself ({said}); runs that go on only if something does: {waiting}"
        remedy = "install a timer or a worker as `install` says, or say `cpf tick` now and then"
        yield Check("drivers", "warning", message, remedy, install)
    else:
        message = f"nothing drives this store by itself ({said}), and no run waits for that"
        yield Check("drivers", "ok", message, install=install)


def lines(settings: Settings, python: str, *, windows: bool = sys.platform == "win32") -> Mapping[str, str]:
    """Return what to install so that the store is driven, by the program that takes it; nothing is installed here."""
    home, path = str(settings.home), settings.environment.get("PATH", "")
    if windows:
        return {"windows": _task(home, python)}
    return {"cron": _cron(home, path, python), "systemd": _unit(home, path, python)}


def _cron(home: str, path: str, python: str) -> str:
    """Return a line for `crontab -e`, in which a percent sign would end the command."""
    words = [f"CPF_HOME={shlex.quote(home)}", f"PATH={shlex.quote(path)}", shlex.quote(python)]
    return f"* * * * * {' '.join(words)} -m checkpointflow tick --quiet >/dev/null".replace("%", "\\%")


def _unit(home: str, path: str, python: str) -> str:
    """Return a unit; SIGTERM goes to the worker alone, so that what a step has begun can end."""
    return "\n".join(
        (
            "# ~/.config/systemd/user/checkpointflow.service; then: systemctl --user enable --now checkpointflow",
            "[Service]",
            f"Environment={_quoted(f'CPF_HOME={home}')} {_quoted(f'PATH={path}')}",
            f"ExecStart={_quoted(python).replace('$', '$$')} -m checkpointflow worker --quiet",
            "KillMode=mixed",
            "TimeoutStopSec=60",
            "Restart=always",
            "[Install]",
            "WantedBy=default.target",
        )
    )


def _quoted(text: str) -> str:
    """Return one word of a unit file, in which a percent sign begins a specifier."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _task(home: str, python: str) -> str:
    command = f"'{python}' -m checkpointflow tick --quiet"
    return f'setx CPF_HOME "{home}"\nschtasks /Create /TN checkpointflow /SC MINUTE /MO 1 /TR "{command}"'
