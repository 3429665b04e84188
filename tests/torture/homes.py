"""The stores of a storm: how each is opened, and what the port of stores does not tell; which kind, is chosen here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from checkpointflow.client.place import place_of
from checkpointflow.config import Settings
from checkpointflow.kernel.store import Store


@dataclass(frozen=True, kw_only=True)
class Home:
    """A state folder with a store in it; `shared` are the variables that it has in common with others."""

    name: str
    folder: Path
    shared: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The state folder."""
        return self.folder / self.name

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works here."""
        return {**self.shared, "CPF_HOME": str(self.path), "CPF_DURABILITY": "process"}

    def settings(self) -> Settings:
        """Return the settings of this process when it works here."""
        return Settings(
            home=self.path, cwd=str(self.folder), actor="the storm", host="here", durability="process",
            environment=self.environment,
        )  # fmt: skip

    def open(self) -> Store:
        """Return the store, which whoever asks for it closes."""
        return place_of(self.settings()).store

    def epochs(self) -> dict[str, int]:
        """Return how often each run was taken to be driven, which the port of stores does not tell."""
        import apsw

        connection = apsw.Connection(str(self.path / "runs.db"), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(30_000)
        with contextlib.closing(connection):
            return {str(run): cast(int, epoch) for run, epoch in connection.execute("SELECT run_id, epoch FROM holds")}
