"""What `cpf doctor` says of how a store is looked after: how much it keeps, and what drives it by itself."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from checkpointflow import clock
from checkpointflow.cli.checks import Check
from checkpointflow.clock import SystemClock

if TYPE_CHECKING:
    from checkpointflow.client import Client
    from checkpointflow.config import Settings
    from checkpointflow.kernel.store import DriverInfo

OLD_SECONDS = 30 * 86400.0
MANY_RUNS, MANY_BYTES = 1000, 1024**3
TICK_SECONDS = 900.0
"""A tick longer ago than this is none of a timer that goes every few minutes."""

_MIB = 1024**2


def retention(client: Client) -> Iterator[Check]:
    """Say how many runs have settled, how long ago, and how much room they take."""
    kept = client.retention(OLD_SECONDS)
    message = (
        f"settled runs: {sum(kept.settled.values())}, {kept.old} of them ended more than 30 days ago; "
        f"the store takes {kept.store_bytes / _MIB:,.1f} MiB and the files of runs {kept.files_bytes / _MIB:,.1f} MiB"
    )
    if kept.old >= MANY_RUNS or (kept.old and kept.store_bytes + kept.files_bytes >= MANY_BYTES):
        yield Check("retention", "warning", message, "forget old runs: `cpf gc --older-than 30d --dry-run` says which")
    else:
        yield Check("retention", "ok", message)


def drivers(found: Sequence[DriverInfo], settings: Settings, *, waiting: int) -> Iterator[Check]:
    """Say what drives the store by itself; `waiting` is how many runs only go on if something does."""
    workers = [one for one in found if one.kind == "worker"]
    ticks = sorted(one.at for one in found if one.kind == "tick")
    if workers:
        listed = ", ".join(f"process {one.pid} on `{one.host}` (pool `{one.pool}`)" for one in workers[:5])
        yield Check("drivers", "ok", f"{_workers(len(workers))} what is due: {listed}")
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


def _workers(count: int) -> str:
    return "1 worker drives" if count == 1 else f"{count} workers drive"


def lines(settings: Settings, python: str, *, windows: bool = sys.platform == "win32") -> Mapping[str, str]:
    """Return what to install so that the store is driven, by the program that takes it; nothing is installed here."""
    place = _place(settings)
    if windows:
        return {"windows": _task(place, python)}
    variables = {**place, "PATH": settings.environment.get("PATH", "")}
    return {"cron": _cron(variables, python), "systemd": _unit(variables, python)}


def _place(settings: Settings) -> dict[str, str]:
    """Return the variables that name the place of runs, without the password of a database."""
    place = {"CPF_HOME": str(settings.home)}
    if settings.store is not None:
        from checkpointflow.stores.postgres.address import without_password

        place["CPF_STORE"] = without_password(settings.store)
    return place | ({} if settings.pool is None else {"CPF_POOL": settings.pool})


def _cron(variables: Mapping[str, str], python: str) -> str:
    """Return a line for `crontab -e`, in which a percent sign would end the command."""
    words = [*(f"{name}={shlex.quote(value)}" for name, value in variables.items()), shlex.quote(python)]
    return f"* * * * * {' '.join(words)} -m checkpointflow tick --quiet >/dev/null".replace("%", "\\%")


def _unit(variables: Mapping[str, str], python: str) -> str:
    """Return a unit; SIGTERM goes to the worker alone, so that what a step has begun can end."""
    return "\n".join(
        (
            "# ~/.config/systemd/user/checkpointflow.service; then: systemctl --user enable --now checkpointflow",
            "[Service]",
            f"Environment={' '.join(_quoted(f'{name}={value}') for name, value in variables.items())}",
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


def _task(variables: Mapping[str, str], python: str) -> str:
    command = f"'{python}' -m checkpointflow tick --quiet"
    lines = [f'setx {name} "{value}"' for name, value in variables.items()]
    return "\n".join([*lines, f'schtasks /Create /TN checkpointflow /SC MINUTE /MO 1 /TR "{command}"'])
