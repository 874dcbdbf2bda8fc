"""Cost against the number of keys, connections and workers: `python -m scale`."""
