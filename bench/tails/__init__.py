"""The slowest verifications at half load, beside other work, and what the server did meanwhile."""
