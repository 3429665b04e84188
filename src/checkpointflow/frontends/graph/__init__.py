"""Workflows as graphs of handlers: their grammar, the machine that walks them, and the workflow that it decides."""
