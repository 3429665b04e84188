"""checkpointflow: durable workflows for people, agents and shells."""

__version__ = "2.0.0.dev0"

__all__ = ["__version__"]
