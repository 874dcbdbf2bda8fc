"""Idempotent requests: the `Idempotency-Key` of a request that creates.

The answer is stored in the transaction of the change, for a day, encrypted with a key that is
derived from the client's `Idempotency-Key`. That is not in the database, so the database alone does
not reveal the answer. A retry is an idempotent replay: it gets the same answer, with the secret in
it, also after a rotation of the server's signing secret.
"""

import secrets
from dataclasses import field
from typing import Any

import orjson

from hookstream_keys.domain.errors import IdempotencyKeyReused
from hookstream_keys.domain.records import record
from hookstream_keys.domain.signing import Signer
from hookstream_keys.store import IdempotencyRecord

_SALT = 16
_NONCE = 12


@record
class IdempotentRequest:
    """A request with an `Idempotency-Key`."""

    #: Derived from the caller, the operation and the client's key.
    id: bytes
    #: Of the arguments, which must be the same in every retry.
    fingerprint: bytes
    key: str = field(repr=False)
    signer: Signer = field(repr=False)
    #: The same request under each older signing secret of the server.
    older: tuple["IdempotentRequest", ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, signer: Signer, key: str, *, caller: str, operation: str, arguments: dict[str, Any]
    ) -> "IdempotentRequest":
        """The request of `caller` for `operation` with `arguments`."""
        what = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS)
        return cls(
            id=signer.derive("idempotency id", caller.encode(), operation.encode(), key.encode()),
            fingerprint=signer.derive("idempotency request", operation.encode(), what),
            key=key,
            signer=signer,
            older=tuple(
                cls.of(each, key, caller=caller, operation=operation, arguments=arguments)
                for each in signer.older
            ),
        )

    def record(self, answer: Any, created_at: str) -> IdempotencyRecord:
        """The record of the answer, a JSON value."""
        salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
        sealed = self._cipher(salt).encrypt(nonce, orjson.dumps(answer), self.id)
        also = tuple(each.id for each in self.older)
        return IdempotencyRecord(self.id, self.fingerprint, salt + nonce + sealed, created_at, also)

    def answer(self, record: IdempotencyRecord) -> Any:
        """The recorded answer.

        Raises IdempotencyKeyReused when it was to another request, or is damaged.
        """
        for each in self.older:
            if record.id == each.id:
                return each.answer(record)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

        if record.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused(
                "The Idempotency-Key was used for another request; use a new one."
            )
        salt, rest = record.sealed[:_SALT], record.sealed[_SALT:]
        try:
            text = self._cipher(salt).decrypt(rest[:_NONCE], rest[_NONCE:], self.id)
        except InvalidTag:
            raise IdempotencyKeyReused(
                "The request was done before, and its answer cannot be shown again."
            ) from None
        return orjson.loads(text)

    def _cipher(self, salt: bytes) -> Any:
        # Imported here, so that the library is loaded with the first such request.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(self.signer.derive("idempotency answer", salt, self.key.encode()))
