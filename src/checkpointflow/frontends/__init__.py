"""The front-ends: each turns a way of writing workflows into something that drives a run."""
