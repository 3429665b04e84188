"""The reference pages, each written from the code by a module of its own; `scripts/reference.py` puts them in place."""
