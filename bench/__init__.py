"""Measurements of checkpointflow against raw limits and its peers, interleaved in one run; no part of the package."""
