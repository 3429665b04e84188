"""The place a process runs in: the only reader of the environment and of the working folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

from checkpointflow.errors import UsageError
from checkpointflow.records import dataclass

DURABILITIES = ("power", "process")
DEFAULT_POOL = "default"
SHARED = ("postgresql://", "postgres://")
"""How the URL of a store begins that several machines share."""


@dataclass(frozen=True, slots=True)
class Variable:
    """What a variable of the environment says, and what holds without it."""

    meaning: str
    default: str


VARIABLES: Mapping[str, Variable] = {
    "CPF_HOME": Variable(
        "The state folder: the store, what steps printed, and workflows that can be run by their id everywhere",
        "`CHECKPOINTFLOW_BASE_DIR`, else `~/.checkpointflow`",
    ),
    "CHECKPOINTFLOW_BASE_DIR": Variable("The state folder, as 1.x calls it", "`~/.checkpointflow`"),
    "CPF_STORE": Variable(
        "A PostgreSQL database in which runs are kept for all machines that reach it, as "
        "`postgresql://USER@HOST:5432/DATABASE`; the state folder then has only files. A password is better kept in "
        "`~/.pgpass`",
        "the SQLite file in the state folder",
    ),
    "CPF_POOL": Variable(
        "Whose workers drive the runs that are started here, and what `cpf worker` and `cpf tick` drive without "
        "`--pool`: machines on which the same programs and files are",
        "the host's name with `CPF_STORE`, else `default`",
    ),
    "CPF_ACTOR": Variable("Who acts, for the record; `--actor` comes first", "user and host, as `ada@desk`"),
    "CPF_WORKFLOWS": Variable(
        "Modules, with commas between, in which the Python client looks for workflows by their names", "none"
    ),
    "CPF_DURABILITY": Variable(
        "What a commit survives: `power` syncs each one to disk; `process` is faster and survives the death of any "
        "process, but a power cut may take the last commits with it",
        "`power`",
    ),
    "CPF_ENGINE": Variable(
        "The engine that `cpf` finds runs on, as `--engine` names it: "
        "`temporal://HOST:PORT/NAMESPACE?task_queue=QUEUE`; what Python runs itself is on the embedded one",
        "the embedded engine",
    ),
    "TEMPORAL_API_KEY": Variable(
        "The key for the service of an engine, over TLS; as with Temporal's own clients, also `TEMPORAL_TLS`, "
        "`TEMPORAL_TLS_SERVER_CA_CERT_PATH`, `TEMPORAL_TLS_CLIENT_CERT_PATH`, `TEMPORAL_TLS_CLIENT_KEY_PATH`, "
        "`TEMPORAL_PROFILE` and `TEMPORAL_CONFIG_FILE`",
        "no key, and no TLS",
    ),
    "HOME": Variable("What `~` stands for, also in the file of a secret", "what the system says of the user"),
    "NO_COLOR": Variable("If it is set, progress at a terminal has no colours", "colours"),
    "FORCE_COLOR": Variable("If it is set and not `0`, progress has colours, whatever `NO_COLOR` says", "none"),
    "TERM": Variable("`dumb` means no colours", "colours"),
    "PATH": Variable("Where programs and shells are looked up", "that of the system"),
    "HTTP_PROXY": Variable("The proxy of `api` for `http://`, as `http://HOST:PORT`", "no proxy"),
    "HTTPS_PROXY": Variable("The same for `https://`", "no proxy"),
    "ALL_PROXY": Variable("The proxy where neither of those is set", "no proxy"),
    "NO_PROXY": Variable("Hosts, domains and networks that `api` reaches without a proxy, with commas between", "none"),
    "SSL_CERT_FILE": Variable("A file with the certificates that `api` trusts", "those of the system"),
    "SSL_CERT_DIR": Variable("A folder with the certificates that `api` trusts", "those of the system"),
}
"""Every variable that is read here, or from `Settings.environment` by others; for the reference page, too."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a process is told by its surroundings.

    `home` is the state folder, which may not exist yet; `actor` says who acts; `environment` is what commands inherit.
    `store` is the URL of a database with the runs, None if they are in the state folder; `pool` is as `CPF_POOL` says.
    """

    home: Path
    cwd: str
    actor: str
    host: str
    durability: Literal["power", "process"]
    environment: Mapping[str, str]
    store: str | None = None
    pool: str | None = None

    @property
    def own_pool(self) -> str:
        """The pool to which runs that are started here belong, and in which this machine drives them."""
        return self.pool or (DEFAULT_POOL if self.store is None else self.host)


def load_settings(home: Path | None = None, *, store: str | None = None) -> Settings:
    """Return the settings of this process, `home` or `store` in place of the configured place of runs if given.

    Raises:
        UsageError: `CPF_DURABILITY` or `CPF_STORE` have a value that is none, or the working folder is gone.
    """
    environment = dict(os.environ)
    store = store or (None if home else _store(environment))
    environment |= {} if store is None else {"CPF_STORE": store}
    if store is None:  # what a step runs finds the same runs
        environment.pop("CPF_STORE", None)
    durability = environment.get("CPF_DURABILITY") or "power"
    if durability not in DURABILITIES:
        raise UsageError(f"`CPF_DURABILITY` is {durability[:40]!r}; set it to `power` or `process`")
    host = _host()
    return Settings(
        home=home or _home(environment),
        cwd=_cwd(),
        actor=environment.get("CPF_ACTOR") or f"{_user()}@{host}",
        host=host,
        durability=cast(Literal["power", "process"], durability),
        environment=environment,
        store=store,
        pool=environment.get("CPF_POOL") or None,
    )


def chosen_engine() -> str | None:
    """Return the address of the engine that `CPF_ENGINE` names; None for the embedded one."""
    return os.environ.get("CPF_ENGINE") or None


def workflow_modules() -> list[str]:
    """Return the modules that `CPF_WORKFLOWS` names, in which workflows are looked for by their names."""
    return [name.strip() for name in os.environ.get("CPF_WORKFLOWS", "").split(",") if name.strip()]


def _home(environment: Mapping[str, str]) -> Path:
    chosen = environment.get("CPF_HOME") or environment.get("CHECKPOINTFLOW_BASE_DIR")
    return Path(os.path.realpath(chosen)) if chosen else Path(os.path.expanduser("~")) / ".checkpointflow"  # noqa: PTH111 - needs no home to exist


def _store(environment: Mapping[str, str]) -> str | None:
    store = environment.get("CPF_STORE")
    if store and not store.startswith(SHARED):
        raise UsageError(
            "`CPF_STORE` is no URL of a database; write it as `postgresql://HOST/DATABASE`, or name a state folder "
            "by `CPF_HOME`"
        )
    return store or None


def _cwd() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        raise UsageError("the working folder no longer exists; change to one that does") from None


def _host() -> str:
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
