"""The store that keeps runs in one SQLite file of a folder."""

from checkpointflow.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
