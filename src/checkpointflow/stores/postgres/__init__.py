"""The store that keeps runs in a PostgreSQL database, for all machines that reach it."""

from checkpointflow.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
