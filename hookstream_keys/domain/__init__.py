"""What keys, scopes, limits and errors are: plain values and rules."""
