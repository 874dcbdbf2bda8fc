"""The rules of a key that restrict what it may do, by the names that the API has for them."""

#: In the order in which they are told.
RULES = ("scopes", "role", "enabled", "expires_at", "allowed_ips", "rate_limit")
#: Stands beside them in `restricted_by`, for getting a new secret.
SECRET = "secret"  # noqa: S105 - the name of a rule
