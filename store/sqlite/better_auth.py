"""What stands in better-auth's tables in other forms than in this project's own."""

from datetime import UTC, datetime

from hookstream_keys.timestamps import to_text


def moment(value: str | int | float) -> datetime:
    """A time as better-auth's adapters store it: ISO text, or milliseconds since 1970."""
    if isinstance(value, str):
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value / 1000, UTC)


def text(value: str | int | float) -> str:
    """The same time as the records have it."""
    return to_text(moment(value))
