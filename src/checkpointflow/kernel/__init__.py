"""The kernel: deciding and doing kept apart, one journal per run, and the ports around it; no third-party code."""
