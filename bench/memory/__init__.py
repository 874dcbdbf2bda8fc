"""The memory of each process over an hour of load, with ten million keys."""
