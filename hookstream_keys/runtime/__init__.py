"""The background work of the process: the write queue, counters in memory, periodic tasks."""
