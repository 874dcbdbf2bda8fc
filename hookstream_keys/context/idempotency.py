"""Doing once what is asked for several times: the `Idempotency-Key` of a request that creates.

What was answered is kept for a day, in the transaction of what was done, sealed with a key
that is made of the client's own `Idempotency-Key`: the database does not have that, so whoever
has the database cannot read what it was answered. A retry brings it again, and is given the
same answer, the secret in it included. That the server's own secret has changed meanwhile makes
no difference, as long as it still knows the older one.
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
    """A request that is to be done once, however often it comes."""

    #: What it is known by: whose it is, what it asks for, and the client's key.
    id: bytes
    #: What of the request must be the same each time.
    fingerprint: bytes
    key: str = field(repr=False)
    signer: Signer = field(repr=False)
    #: The same request as each of the server's older secrets knows it.
    older: tuple["IdempotentRequest", ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, signer: Signer, key: str, *, caller: str, operation: str, arguments: dict[str, Any]
    ) -> "IdempotentRequest":
        """The request for `operation` with `arguments`, from whoever is known as `caller`."""
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
        """What to keep of the answer, which is a JSON value."""
        salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
        sealed = self._cipher(salt).encrypt(nonce, orjson.dumps(answer), self.id)
        also = tuple(each.id for each in self.older)
        return IdempotencyRecord(self.id, self.fingerprint, salt + nonce + sealed, created_at, also)

    def answer(self, record: IdempotencyRecord) -> Any:
        """What was answered the first time.

        Raises IdempotencyKeyReused when that was to another request, or its answer is damaged.
        """
        for each in self.older:
            if record.id == each.id:
                return each.answer(record)
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `_cipher`

        if record.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused(
                "The Idempotency-Key came with another request before; use a new one."
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
        # Here, so that a server that nobody sends such a key to never loads the library.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

        return AESGCM(self.signer.derive("idempotency answer", salt, self.key.encode()))
