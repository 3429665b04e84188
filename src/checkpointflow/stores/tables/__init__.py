"""The Store port over tables of SQL, whichever database has them; connections and locks are each database's own."""

from checkpointflow.stores.tables.database import Database, Row, Transaction, Value
from checkpointflow.stores.tables.store import TableStore

__all__ = ["Database", "Row", "TableStore", "Transaction", "Value"]
