"""The rules of a key that restrict what it may do, by the names that the API has for them."""

#: In the order in which they are reported.
RULES = ("scopes", "role", "enabled", "expires_at", "allowed_ips", "rate_limit")
#: Also in `restricted_by`, for getting a new secret.
SECRET = "secret"  # noqa: S105 - the name of a rule
