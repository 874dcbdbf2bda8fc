"""Who a caller is, and what a key may do: credentials, sessions, verification, rights of keys."""
