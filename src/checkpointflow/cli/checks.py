"""What `cpf doctor` looks at, check by check; each changes nothing, and one that cannot be made says why."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from checkpointflow.errors import CheckpointflowError, MissingExtraError, PersistenceError
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.cli.flows import Flow
    from checkpointflow.config import Settings

Status: TypeAlias = Literal["ok", "warning", "error"]

OLDEST_SOUND_SQLITE = (3, 51, 2)
LITTLE_SPACE_BYTES = 200 * 1024 * 1024
EXTRAS = {"postgres": ("psycopg", "a store in PostgreSQL"), "re2": ("re2", "`matches` in expressions")}
"""What this version can use if it is there: the name of the extra, the module that it brings, what it is for."""
_SHELLS = ("sh", "bash", "pwsh", "powershell", "cmd")
_LISTED = 5
_ID_OF_1_X, _NO_ID = re.compile("[0-9a-f]{32}"), re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what is so and, unless it is well, what to do.

    `install` is what can be installed to that end, by the program that takes it.
    """

    name: str
    status: Status
    message: str
    remedy: str = ""
    install: Mapping[str, str] | None = None

    def as_json(self) -> JsonObject:
        """Return the check as a field of an envelope."""
        shown: JsonObject = {"name": self.name, "status": self.status, "message": self.message}
        shown |= {"remedy": self.remedy} if self.remedy else {}
        return shown | ({"install": dict(self.install)} if self.install else {})


def all_checks(door: Door) -> list[Check]:
    """Return every check, in the order in which they are told."""
    from checkpointflow.cli import upkeep

    settings = door.settings
    found = [*_versions(), *_extras(), *_shells(settings), *_programs(settings), *_home(settings), *_space(settings)]
    store = list(_store(settings) if settings.store is None else _guarded("store", lambda: _shared(settings)))
    found += store
    there = settings.store is not None or (settings.home / "runs.db").exists()
    if there and any(check.name == "store" and check.status == "ok" for check in store):
        found += _guarded("runs", lambda: _runs(door))
    elif not any(check.status == "error" for check in store):
        found += upkeep.drivers((), settings, waiting=0)
    return found


def _guarded(name: str, look: Callable[[], Iterator[Check]]) -> list[Check]:
    """A look at the store that may fail half-way: what it found, and why it went no further."""
    found: list[Check] = []
    try:
        found.extend(look())
    except PersistenceError as error:
        found.append(_of_error(name, error))
    return found


def _of_error(name: str, error: PersistenceError) -> Check:
    fact, _, remedy = error.message.rpartition("; ")
    return Check(name, "error", fact or error.message, remedy if fact else "restore the store from a copy")


# -- this installation -----------------------------------------------------------------------------


def _versions() -> Iterator[Check]:
    from checkpointflow.stores.sqlite.checkup import versions
    from checkpointflow.version import __version__

    python = ".".join(map(str, sys.version_info[:3]))
    yield Check("python", "ok", f"checkpointflow {__version__} on {sys.implementation.name} {python}, {sys.executable}")
    known = versions()
    message = f"SQLite {known['sqlite']}, brought by apsw {known['apsw']}"
    if tuple(map(int, known["sqlite"].split("."))) >= OLDEST_SOUND_SQLITE:
        yield Check("sqlite", "ok", message)
    else:
        remedy = "upgrade it: `pip install --upgrade apsw`"
        yield Check("sqlite", "warning", f"{message}, which can lose data when several processes write", remedy)


def _extras() -> Iterator[Check]:
    from importlib.util import find_spec

    for name, (module, use) in EXTRAS.items():
        if find_spec(module) is not None:
            yield Check(f"extra {name}", "ok", f"installed: {use} can be used")
        else:
            install = f'`pip install "checkpointflow[{name}]"`'
            yield Check(f"extra {name}", "ok", f"not installed, which only {use} needs ({install})")


def _shells(settings: Settings) -> Iterator[Check]:
    path = settings.environment.get("PATH")
    found = {name: shutil.which(name, path=path) for name in _SHELLS}
    shown = ", ".join(f"{name} ({place})" for name, place in found.items() if place)
    if found["sh"]:
        yield Check("shells", "ok", f"commands can run in {shown}")
    else:
        remedy = "install one, or write commands as `argv`, or name another `shell` in `defaults`"
        rest = f", only in {shown}" if shown else ""
        yield Check(
            "shells", "warning", f"there is no `sh`, in which commands run unless they say otherwise{rest}", remedy
        )


def _programs(settings: Settings) -> Iterator[Check]:
    """The workflows of this place, and the programs that they name."""
    from checkpointflow.cli import flows

    found = flows.found(settings)
    if not found:
        return
    bad, missing = _lacking(found, settings.environment.get("PATH"))
    if bad:
        remedy = "`cpf flows` shows what is wrong"
        yield Check("workflows", "warning", f"these cannot be run: {_listed(bad)}", remedy)
    else:
        yield Check("workflows", "ok", f"{len(found)} can be run by their id (`cpf flows`)")
    if missing:
        listed = _listed([f"`{name}` (for `{flow}`)" for name, flow in missing.items()])
        yield Check("programs", "warning", f"not found: {listed}", "install them, or put them on the PATH")


def _lacking(found: list[Flow], path: str | None) -> tuple[list[str], dict[str, str]]:
    """Return the files that cannot be run, and the programs that the others lack, each with whose it is."""
    from checkpointflow.frontends.document.plan import missing_programs

    bad, missing = list[str](), dict[str, str]()
    for flow in found:
        try:
            document = flow.load().document
        except CheckpointflowError:
            bad.append(f"`{flow.file}`")
        else:
            missing |= dict.fromkeys(missing_programs(document, path=path), document.id)
    return bad, missing


# -- the base folder -------------------------------------------------------------------------------


def _home(settings: Settings) -> Iterator[Check]:
    home = settings.home
    from checkpointflow.stores.sqlite.locks import may_be_written, open_to_others

    there = next(folder for folder in (home, *home.parents) if folder.exists())
    cannot_be_made = "" if there == home else f"`{home}` cannot be made: "
    if not there.is_dir():
        remedy = "move it away, or set CPF_HOME to a folder"
        yield Check("base folder", "error", f"{cannot_be_made}`{there}` is no folder", remedy)
        return
    if not may_be_written(there):
        yield Check("base folder", "error", f"{cannot_be_made}`{there}` cannot be written by you", _to_write(there))
        return
    if there != home:
        yield Check("base folder", "ok", f"`{home}` is not there yet; the first run makes it")
        return
    loose = [path for path in (home, home / "runs", home / "holders", home / "runs.db") if open_to_others(path)]
    if loose:
        listed = _listed([f"`{path}`" for path in loose])
        remedy = f"keep it to yourself: `chmod -R go= {home}`"
        yield Check("base folder", "warning", f"others than you can read or enter {listed}", remedy)
    else:
        yield Check("base folder", "ok", f"`{home}` is yours alone")


def _to_write(folder: Path) -> str:
    """Return how a folder becomes one that can be written."""
    from checkpointflow.stores.sqlite.locks import is_read_only

    if is_read_only(folder):
        return "its file system is read-only: set CPF_HOME to a folder that can be written, or mount it otherwise"
    return f"make it yours: `chown -R $USER {folder}`"


def _space(settings: Settings) -> Iterator[Check]:
    place = next((folder for folder in (settings.home, *settings.home.parents) if folder.is_dir()), None)
    if place is None:
        return
    free = shutil.disk_usage(place).free
    message = f"{free // 1024**2:,} MiB are free where `{settings.home}` is kept"
    if free < LITTLE_SPACE_BYTES:
        yield Check("disk", "warning", message, "free some space, or set CPF_HOME to a folder elsewhere")
    else:
        yield Check("disk", "ok", message)


def _store(settings: Settings) -> Iterator[Check]:
    from checkpointflow.stores.sqlite.checkup import left_aside, sort_of

    home = settings.home
    try:
        sort = sort_of(home)
    except PersistenceError as error:
        yield _of_error("store", error)
        return
    aside = left_aside(home)
    if aside:
        files = _listed([f"`{path}`" for path in aside])
        yield Check("1.x store", "ok", f"runs of checkpointflow 1.x were put aside in {files}, for that version alone")
    if sort == "missing":
        yield Check("store", "ok", "there are no runs yet")
        yield from _orphaned(home / "runs")
    elif sort == "old":
        remedy = "nothing has to be done; to keep both versions apart, set CPF_HOME to another folder"
        message = f"`{home / 'runs.db'}` is a store of checkpointflow 1.x; the next run renames it to `runs-1.x.db`"
        yield Check("1.x store", "warning", message, remedy)
    else:
        yield from _guarded("store", lambda: _sound(settings))


def _shared(settings: Settings) -> Iterator[Check]:
    """A database in which runs are kept for several machines."""
    from checkpointflow.stores.postgres.checkup import looked_at

    assert settings.store is not None
    try:
        found = looked_at(settings.store, host=settings.host)
    except MissingExtraError as error:
        fact, _, remedy = error.message.rpartition("; ")
        yield Check("store", "error", fact, remedy)
        return
    yield Check("store", "ok", f"`{found.shown}` can be used: PostgreSQL {found.server}, an answer in {found.answer}")
    if found.unsafe:
        remedy = "set them back in the server's configuration, unless its runs may be lost"
        yield Check("durability", "warning", f"a power loss may take runs away: {', '.join(found.unsafe)}", remedy)
    else:
        yield Check("durability", "ok", "what is recorded survives a power loss of the server")
    yield Check("pool", "ok", f"runs that are started here belong to the workers of pool `{settings.own_pool}`")


def _orphaned(folder: Path) -> Iterator[Check]:
    """Folders of runs beside which there is no store."""
    names = [f"`{path}`" for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    if names:
        remedy = "bring the `runs.db` back that was beside them, or remove them yourself"
        yield Check("files", "warning", f"there is no store, and yet folders of runs: {_listed(names)}", remedy)


def _sound(settings: Settings) -> Iterator[Check]:
    from checkpointflow.clock import SystemClock
    from checkpointflow.stores import open_store
    from checkpointflow.stores.sqlite.checkup import faults

    open_store(settings.home, clock=SystemClock(), durability=settings.durability).close()
    wrong = faults(settings.home)
    path = settings.home / "runs.db"
    if wrong:
        remedy = "restore it from a copy, or move it away to begin anew"
        yield Check("store", "error", f"`{path}` is damaged: {'; '.join(wrong)[:300]}", remedy)
        return
    yield Check("store", "ok", f"`{path}` is sound")
    if settings.durability == "power":
        yield Check("durability", "ok", "`power`: what is recorded survives a power loss")
    else:
        message = "`process`: a power loss may take the last moments of a run back; crashes of processes do not"
        yield Check("durability", "ok", f"{message} (CPF_DURABILITY)")


# -- what is kept in it ----------------------------------------------------------------------------


def _runs(door: Door) -> Iterator[Check]:
    from checkpointflow.cli import upkeep

    client = door.client()
    held, _ = client.runs(status="running", limit=1000)
    shown = [f"`{view.run_id}` by process {view.holder.pid} on `{view.holder.host}`" for view in held if view.holder]
    yield Check("holders", "ok", f"driven now: {_listed(shown)}" if shown else "no run is driven now")
    left, _ = client.runs(status="interrupted", limit=1000)
    if left:
        listed = _listed([f"`{view.run_id}`" for view in left])
        remedy = f"go on with each: `cpf resume --run-id {left[0].run_id}`"
        yield Check("interrupted runs", "warning", f"nobody drives {listed}", remedy)
    due = client.due()
    if due:
        listed = _listed([f"`{wait.step_key}` of `{wait.run_id}`" for wait in due])
        remedy = f"time fires when somebody drives: `cpf resume --run-id {due[0].run_id}`"
        yield Check("due timers", "warning", f"the time has come for {listed}", remedy)
    else:
        yield Check("due timers", "ok", "no timer is due")
    waiting = len({view.run_id for view in left} | {str(run_id) for run_id in client.timed()})
    yield from upkeep.drivers(client.drivers(), door.settings, waiting=waiting)
    yield from upkeep.retention(client)
    yield from _leftovers(door)


def _leftovers(door: Door) -> Iterator[Check]:
    """Folders whose run is gone; those of a 1.x store that was put aside still belong to it."""
    from checkpointflow.stores.sqlite.checkup import left_aside

    client, folder = door.client(), door.settings.home / "runs"
    older = _ID_OF_1_X if left_aside(door.settings.home) else _NO_ID
    names = [path for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []
    lost = [path for path in names if not older.fullmatch(path.name) and not client.has(path.name)]
    if lost:
        remedy = "`cpf gc` removes them, once nothing in them has changed for an hour"
        yield Check(
            "files", "warning", f"these folders belong to no run: {_listed([f'`{path}`' for path in lost])}", remedy
        )


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more


__all__ = ["Check", "all_checks"]
