"""`python -m checkpointflow` is `cpf`; nothing else lives here."""

from checkpointflow.cli import entry

if __name__ == "__main__":
    entry()
