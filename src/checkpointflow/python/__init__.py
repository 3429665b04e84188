"""The door for Python programs: workflows run in memory or in stores, synchronously or in an application's loop."""
