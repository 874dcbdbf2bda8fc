"""The engines that the tests of a store run on."""

import os

#: Separated by commas: `sqlite`, `postgresql`.
VARIABLE = "STORE_ENGINES"


def engines() -> list[str]:
    """SQLite, unless the environment names others."""
    return os.environ.get(VARIABLE, "sqlite").split(",")
