"""The URL of a database: what may be shown of it, and what a connection is opened with; nothing is opened here."""

from __future__ import annotations

import re
from types import ModuleType
from urllib.parse import parse_qsl, unquote

from checkpointflow.errors import MissingExtraError, UsageError

SCHEMES = ("postgresql", "postgres")
_CONNECTING_SECONDS = 10
_KEEPALIVES = {"keepalives": "1", "keepalives_idle": "5", "keepalives_interval": "5", "keepalives_count": "3"}
_UNACKNOWLEDGED_MILLISECONDS = "20000"
_SECRET = re.compile("pass|secret|key|token", re.IGNORECASE)
_HIDDEN = "***"
_PORTS = re.compile("[0-9,]*")


class Address:
    """Where a database is. `shown` names it without users, passwords and options; `url` is as it was given.

    Raises:
        UsageError: it is no URL of a database; the message has nothing of it.
        MissingExtraError: psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        psycopg = driver()
        try:
            self._options = {
                name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(url).items() if value is not None
            }
        except psycopg.Error:
            raise UsageError(
                "the address of the store (`CPF_STORE`) is no URL that PostgreSQL's client understands; write it as "
                "`postgresql://USER@HOST:5432/DATABASE`, special characters as `%40`"
            ) from None
        self.url = url
        self._secrets = _secrets_of(url, self._options)
        self.shown = self.hidden(_shown(self._options))

    def options(self) -> dict[str, str]:
        """Return what a connection is opened with; what the URL says goes before what is ours."""
        ours = {
            "connect_timeout": str(_CONNECTING_SECONDS),
            "application_name": "checkpointflow",
            "client_encoding": "UTF8",
            "tcp_user_timeout": _UNACKNOWLEDGED_MILLISECONDS,
            **_KEEPALIVES,
        }
        return {**ours, **self._options}

    def hidden(self, text: str) -> str:
        """Return a text without what the URL has of secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _HIDDEN)
        return text


def without_password(url: str) -> str:
    """Return a URL that opens the same database for whoever has its password elsewhere, as in `~/.pgpass`."""
    scheme, _, behind = url.partition("://")
    place, mark, query = behind.partition("?")
    user, at, host = place.rpartition("@")
    options = "&".join(option for option in query.split("&") if not _SECRET.search(option.partition("=")[0]))
    return f"{scheme}://{user.partition(':')[0]}{at}{host}{mark if options else ''}{options}"


def is_address(place: str) -> bool:
    """Tell whether a place is the URL of a PostgreSQL database."""
    return place.partition("://")[0] in SCHEMES and "://" in place


def driver() -> ModuleType:
    """Return psycopg, loaded when it is first asked for.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise MissingExtraError(
            'a store in PostgreSQL needs psycopg, which is not installed; `pip install "checkpointflow[postgres]"`'
        ) from error
    return psycopg


def _shown(options: dict[str, str]) -> str:
    host, port, database = (options.get(name, "") for name in ("host", "port", "dbname"))
    host = host.rpartition("@")[2]  # a `@` in a password that was not written as `%40`
    shown_host = f"[{host}]" if ":" in host and "," not in host else host
    port = f":{port}" if port and not host.startswith("/") else ""
    return f"postgresql://{'' if host.startswith('/') else shown_host}{port}/{database}"


def _secrets_of(url: str, options: dict[str, str]) -> list[str]:
    """Return the texts of a URL that nobody may see, the longest first."""
    behind = url.partition("://")[2]
    place, _, query = behind.partition("?")
    found = [unquote(value) for name, value in parse_qsl(query) if _SECRET.search(name)]
    if "@" in place:
        user = place.rpartition("@")[0]
        password = user.partition(":")[2]
        found += [password, unquote(password), *re.split("[@/:]", password)]
    elif not _PORTS.fullmatch(options.get("port", "")):  # `USER:PASSWORD` whose host was forgotten
        password = place.partition("/")[0].partition(":")[2]
        found += [text for part in (password, *re.split("[,:]", password)) for text in (part, unquote(part))]
    return sorted({text for text in found if len(text) > 1}, key=len, reverse=True)
