"""A self-hosted API-key service: issue, verify, limit, rotate and revoke keys."""

__version__ = "0.2.0"
