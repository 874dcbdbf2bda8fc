"""A request apart from HTTP: its principal, its origin, whether it is idempotent."""
