"""What goes on beside requests: the write queue, counters in memory, periodic tasks."""
