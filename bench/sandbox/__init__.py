"""How fast a sandbox starts, resets and makes tenants."""
