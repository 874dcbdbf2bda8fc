"""hookstream-keys beside its peers: `python -m compare`."""
