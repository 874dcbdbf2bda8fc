"""What both benchmarks need: systems to start, load to send, figures to read."""
