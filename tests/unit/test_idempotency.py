import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit import samples

from hookstream_keys.errors import IdempotencyKeyReused
from hookstream_keys.idempotency import Once
from hookstream_keys.signing import Signer

ANSWER = [{"key": "a secret that is shown once"}, 201, {"Cache-Control": "no-store"}]
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def once(
    key: str = "0123456789abcdef",
    *,
    secret: str = "a secret",
    caller: str = "usr_1",
    operation: str = "createApiKey",
    name: str = "k",
) -> Once:
    arguments = {"body": {"name": name, "scopes": "*"}}
    signer = Signer(secret)
    return Once.of(signer, key, caller=caller, operation=operation, arguments=arguments)


def test_the_answer_is_read_by_who_brings_the_key() -> None:
    receipt = once().receipt(ANSWER, samples.NOON)
    assert once().answer(receipt) == ANSWER


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


def test_what_must_be_the_same_is_the_request_and_not_its_spelling() -> None:
    signer = Signer("a secret")

    def fingerprint(**arguments: object) -> bytes:
        made = Once.of(signer, "k", caller="u", operation="o", arguments=arguments)
        return made.fingerprint

    assert fingerprint(a=1, b={"c": 1, "d": 2}) == fingerprint(b={"d": 2, "c": 1}, a=1)
    assert fingerprint(a=1) != fingerprint(a="1")


def test_another_request_is_refused() -> None:
    receipt = once().receipt(ANSWER, samples.NOON)
    with pytest.raises(IdempotencyKeyReused, match="another request"):
        once(name="another").answer(receipt)


def test_the_receipt_is_sealed() -> None:
    receipt = once().receipt(ANSWER, samples.NOON)
    assert b"secret" not in receipt.sealed
    assert "sealed" not in repr(receipt)
    assert "0123456789abcdef" not in repr(once())
    assert receipt.sealed != once().receipt(ANSWER, samples.NOON).sealed


@pytest.mark.parametrize("place", [0, 20, 40, -1])
def test_a_receipt_that_was_changed_is_not_read(place: int) -> None:
    receipt = once().receipt(ANSWER, samples.NOON)
    sealed = bytearray(receipt.sealed)
    sealed[place] ^= 1
    with pytest.raises(IdempotencyKeyReused, match="cannot be shown again"):
        once().answer(dataclasses.replace(receipt, sealed=bytes(sealed)))


def test_a_receipt_is_of_one_request_only() -> None:
    receipt = once().receipt(ANSWER, samples.NOON)
    moved = dataclasses.replace(once("another key of another"), fingerprint=receipt.fingerprint)
    with pytest.raises(IdempotencyKeyReused, match="cannot be shown again"):
        moved.answer(receipt)


def test_a_receipt_of_an_older_secret_is_still_known_and_read() -> None:
    receipt = once(secret="old").receipt(ANSWER, samples.NOON)
    arguments = {"body": {"name": "k", "scopes": "*"}}
    later = Once.of(
        Signer("new", "old"),
        "0123456789abcdef",
        caller="usr_1",
        operation="createApiKey",
        arguments=arguments,
    )
    assert later.receipt(ANSWER, samples.NOON).also == (receipt.id,)
    assert later.answer(receipt) == ANSWER
