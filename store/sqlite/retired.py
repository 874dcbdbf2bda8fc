"""A file whose data was moved to PostgreSQL keeps it under another name, and is not served."""

from pathlib import Path

from hookstream_keys.store.errors import StoreUnavailable


def retired(file: Path) -> Path:
    """The name of a file whose data was moved."""
    return file.with_name(f"{file.name}.moved")


def refuse_retired(file: Path) -> None:
    """Raise StoreUnavailable where there is no file because its data was moved.

    A new one in its place would be another service, which knows none of the keys.
    """
    if not file.exists() and retired(file).exists():
        raise StoreUnavailable(
            f"the data of {file} was moved to PostgreSQL, and {retired(file).name} is what is left "
            "of it: name that database in HOOKSTREAM_DATABASE, or, for a new one, move this away"
        )
