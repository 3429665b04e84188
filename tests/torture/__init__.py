"""Many real processes at one store, some of them killed, and what has to hold of it all."""
