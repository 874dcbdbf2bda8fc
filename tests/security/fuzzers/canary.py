"""A promise that does not hold, so that a fuzzer which finds nothing anywhere is noticed."""


def check(data: bytes) -> None:
    """Fails for what begins with a word that is one letter from the seed."""
    assert data[:6] != b"canary"
