"""Run bundles: one file that holds all of a run, for going on elsewhere; how it is laid out, written and read."""
