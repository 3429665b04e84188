"""Workflows as async Python functions, and the tasks that they call."""
