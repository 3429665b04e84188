"""The use cases, which every door calls: looking at runs, starting, driving and answering them."""

from checkpointflow.client.client import Client, Receipt
from checkpointflow.client.place import FOLLOW_SECONDS
from checkpointflow.client.reading import Reader

__all__ = ["FOLLOW_SECONDS", "Client", "Reader", "Receipt"]
