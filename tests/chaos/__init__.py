"""The example of a team on real servers, its workers killed at random, and what has to hold of it all."""
