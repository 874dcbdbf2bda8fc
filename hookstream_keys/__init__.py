"""A self-hosted API-key service: issue a key, check it, limit it, replace it, kill it."""

__version__ = "0.1.0"
