"""Where a request's time goes: the layers of hookstream-keys, each without what it calls."""
