"""`hookstream_keys.context.idempotency`: the same answer to the same request, and to no other."""

from dataclasses import replace

from hookstream_keys.context.idempotency import IdempotentRequest
from hookstream_keys.domain.errors import IdempotencyKeyReused
from hookstream_keys.domain.signing import Signer
from hookstream_keys.store import IdempotencyRecord

SIGNER = Signer("a secret of the fuzzers, which seals nothing else")


def check(data: bytes) -> None:
    """The data as lines: the client's key, the caller, the request and the response."""
    lines = [line.decode("latin-1") for line in data.split(b"\n", 2)]
    key, caller, said = (lines + [""] * 3)[:3]
    asked = {"body": {"name": said}, "limit": len(said)}
    once = _once(key, caller, asked)
    record = once.record({"key": said}, "2026-11-24T12:00:00.000Z")
    again = _once(key, caller, dict(reversed(asked.items())))
    assert again.answer(record) == {"key": said}
    assert _once(key, caller + "!", asked).id != once.id
    other = _once(key + "!", caller, asked)
    assert other.id != once.id
    assert not _opens(other, record)
    assert _once(key, caller, {**asked, "limit": -1}).fingerprint != once.fingerprint
    spoiled = bytearray(record.sealed)
    spoiled[len(data) * 7 % len(spoiled)] ^= 1 + (data[0] % 255 if data else 0)
    assert not _opens(once, replace(record, sealed=bytes(spoiled)))


def _once(key: str, caller: str, asked: dict[str, object]) -> IdempotentRequest:
    return IdempotentRequest.of(
        SIGNER, key, caller=caller, operation="createApiKey", arguments=asked
    )


def _opens(once: IdempotentRequest, record: IdempotencyRecord) -> bool:
    """Whether an attacker with the record from the database can decrypt it."""
    try:
        once.answer(record)
    except IdempotencyKeyReused:
        return False
    return True
