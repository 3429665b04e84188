"""The engine on Temporal: its workflow, its worker, and the doors' view of it; `temporalio` is imported when used."""
