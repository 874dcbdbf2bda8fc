"""The context of a handler: its request and dependencies."""

from collections.abc import Callable, Coroutine
from dataclasses import field
from datetime import datetime
from typing import Any

from hookstream_keys.auth.credentials import Credentials
from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.auth.sessions import Lifetimes
from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.context.idempotency import IdempotentRequest
from hookstream_keys.context.origins import Origins
from hookstream_keys.context.principal import Principal
from hookstream_keys.domain import timestamps, versions
from hookstream_keys.domain.errors import PreconditionFailed
from hookstream_keys.domain.quotas import NO_QUOTAS, Quotas
from hookstream_keys.domain.records import record
from hookstream_keys.domain.signing import Signer
from hookstream_keys.domain.sources import SYSTEM, SYSTEM_RANDOM, Random, Sources
from hookstream_keys.runtime.counters import Counters
from hookstream_keys.runtime.refusals import Note, not_noted
from hookstream_keys.runtime.usage import Count, not_counted
from hookstream_keys.store import IdempotencyRecord, ReadStore, Store

#: A header with several fields has a list of values.
Headers = dict[str, Any]

#: A handler's answer: the body (a JSON value, bytes, or `Unfinished`), the status, optionally
#: headers.
Answer = tuple[Any, int] | tuple[Any, int, Headers]


@record
class Unfinished:
    """The body of an answer that is not known yet: the change is stored, its work goes on.

    Each step is a short transaction of its own, or reads after the last one. If no step follows,
    because the client or the process is gone, a periodic task finishes the work.
    """

    #: Returns the answer, which may be unfinished again. Raises StoreError.
    step: "Callable[[], Coroutine[Any, Any, Answer]]"
    #: Whether the step writes. Otherwise it takes too long for the event loop.
    writes: bool


@record
class Dependencies:
    """What all requests of a server share. The command line has the defaults."""

    #: The clocks.
    sources: Sources = SYSTEM
    signer: Signer = field(default_factory=lambda: Signer(""))
    origins: Origins = field(default_factory=Origins)
    #: The policy of sign-in and sign-up.
    sign_in: SignInPolicy = field(default_factory=SignInPolicy)
    cookies: SessionCookies = field(default_factory=lambda: SessionCookies(Signer("")))
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    #: The maximum number of sessions of a user, or None for no limit.
    max_sessions: int | None = None
    quotas: Quotas = NO_QUOTAS
    #: Whether users whose address is not verified can be made members.
    adds_unverified_members: bool = False
    #: Counters of rate limits; None for no limits.
    counters: Counters | None = None
    #: Counts the uses of keys.
    count: Count = not_counted
    #: Records refused attempts, for the audit log.
    note: Note = not_noted

    def credentials(self, store: ReadStore) -> Credentials:
        """Authentication with these, by the keys and sessions of a store."""
        return Credentials(
            store,
            signer=self.signer,
            origins=self.origins,
            cookies=self.cookies,
            lifetimes=self.lifetimes,
            count=self.count,
            note=self.note,
        )


class RetryInWriteTransaction(Exception):
    """A handler that usually only reads has to write, and has done nothing yet.

    It is called again with a `WriteContext`.
    """


@record
class RequestContext:
    """One request, without HTTP: the store, the principal, and what the audit log records.

    The principal is that of the request's arrival.
    """

    store: ReadStore
    principal: Principal
    request_id: str
    #: The client's address, or None for the command line.
    address: str | None
    now: datetime
    #: What the request's new identifiers and secrets are made of.
    random: Random = SYSTEM_RANDOM
    user_agent: str | None = None
    #: Whether the request came over https.
    secure: bool = False
    dependencies: Dependencies = field(default_factory=Dependencies)
    #: Of a request with an `Idempotency-Key`.
    idempotent_request: IdempotentRequest | None = None
    #: The versions that the request may change, as `If-Match` names them.
    if_match: str | None = None

    @property
    def sources(self) -> Sources:
        """The request's moment, and what its identifiers are made of."""
        return Sources(now=lambda: self.now, random=lambda: self.random)

    def require_version(self, version: str) -> None:
        """Refuse to change a resource of a version that is not in `If-Match`, if there is one.

        A handler calls it last before the change, in its write transaction, when nothing else
        refuses the request (RFC 9110, section 13.2.1). Raises PreconditionFailed.
        """
        if self.if_match is not None and not versions.matches(self.if_match, version):
            raise PreconditionFailed

    def idempotency_record(self, answer: Answer) -> IdempotencyRecord | None:
        """The record to store with the change, if the request is idempotent."""
        if self.idempotent_request is None:
            return None
        return self.idempotent_request.record(answer, timestamps.to_text(self.now))


@record
class WriteContext(RequestContext):
    """A request inside its write transaction, from a principal that is valid in it.

    A handler that takes one is registered as writing. Only `recheck` creates them, so every write
    has a principal that was checked in the same transaction.
    """

    store: Store
