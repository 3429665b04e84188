"""Workflow documents: what is read, what is checked, and how a document runs."""
