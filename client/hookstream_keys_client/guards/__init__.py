"""Guards: they let a request into a view only with a valid API key that covers the scopes.

A module for each framework, which its extra installs: `fastapi`, `starlette`, `flask`, `django`
(Django REST framework). What they decide is in `decision.py`, the same for all.
"""

from hookstream_keys_client.guards.decision import Principal, Rejected, Rules

__all__ = ["Principal", "Rejected", "Rules"]
