"""The door for Python programs: definitions that run themselves, checkpoints, outcomes, and the client by names."""
