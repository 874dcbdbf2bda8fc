import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit import samples

from hookstream_keys.context.idempotency import IdempotentRequest
from hookstream_keys.domain.errors import IdempotencyKeyReused
from hookstream_keys.domain.signing import Signer

ANSWER = [{"key": "a secret that is shown once"}, 201, {"Cache-Control": "no-store"}]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def once(
    key: str = "0123456789abcdef",
    *,
    secret: str = "a secret",
    caller: str = "usr_1",
    operation: str = "createApiKey",
    name: str = "k",
) -> IdempotentRequest:
    arguments = {"body": {"name": name, "scopes": "*"}}
    signer = Signer(secret)
    return IdempotentRequest.of(
        signer, key, caller=caller, operation=operation, arguments=arguments
    )


def test_the_answer_is_decrypted_with_the_idempotency_key() -> None:
    record = once().record(ANSWER, samples.NOON)
    assert once().answer(record) == ANSWER


@given(texts, texts, texts)
def test_one_request_has_one_id(key: str, caller: str, operation: str) -> None:
    made = [once(key, caller=caller, operation=operation) for _ in range(2)]
    assert made[0].id == made[1].id
    assert made[0].fingerprint == made[1].fingerprint
    others = [
        once(key + "x", caller=caller, operation=operation),
        once(key, caller=caller + "x", operation=operation),
        once(key, caller=caller, operation=operation + "x"),
        once(key, caller=caller, operation=operation, secret="another"),
    ]
    assert len({made[0].id, *(other.id for other in others)}) == 5


def test_parts_are_kept_apart() -> None:
    assert once("bc", caller="a").id != once("c", caller="ab").id


def test_the_fingerprint_ignores_the_spelling_of_the_json() -> None:
    signer = Signer("a secret")

    def fingerprint(**arguments: object) -> bytes:
        made = IdempotentRequest.of(signer, "k", caller="u", operation="o", arguments=arguments)
        return made.fingerprint

    assert fingerprint(a=1, b={"c": 1, "d": 2}) == fingerprint(b={"d": 2, "c": 1}, a=1)
    assert fingerprint(a=1) != fingerprint(a="1")


def test_another_request_is_refused() -> None:
    record = once().record(ANSWER, samples.NOON)
    with pytest.raises(IdempotencyKeyReused, match="another request"):
        once(name="another").answer(record)


def test_the_idempotency_record_is_encrypted() -> None:
    record = once().record(ANSWER, samples.NOON)
    assert b"secret" not in record.sealed
    assert "sealed" not in repr(record)
    assert "0123456789abcdef" not in repr(once())
    assert record.sealed != once().record(ANSWER, samples.NOON).sealed


@pytest.mark.parametrize("place", [0, 20, 40, -1])
def test_a_changed_idempotency_record_is_rejected(place: int) -> None:
    record = once().record(ANSWER, samples.NOON)
    sealed = bytearray(record.sealed)
    sealed[place] ^= 1
    with pytest.raises(IdempotencyKeyReused, match="cannot be shown again"):
        once().answer(dataclasses.replace(record, sealed=bytes(sealed)))


def test_an_idempotency_record_belongs_to_one_request() -> None:
    record = once().record(ANSWER, samples.NOON)
    moved = dataclasses.replace(once("another key of another"), fingerprint=record.fingerprint)
    with pytest.raises(IdempotencyKeyReused, match="cannot be shown again"):
        moved.answer(record)


def test_an_idempotency_record_of_an_older_secret_is_readable() -> None:
    record = once(secret="old").record(ANSWER, samples.NOON)
    arguments = {"body": {"name": "k", "scopes": "*"}}
    later = IdempotentRequest.of(
        Signer("new", "old"),
        "0123456789abcdef",
        caller="usr_1",
        operation="createApiKey",
        arguments=arguments,
    )
    assert later.record(ANSWER, samples.NOON).also == (record.id,)
    assert later.answer(record) == ANSWER
