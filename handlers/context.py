"""What a handler is given besides its input."""

from dataclasses import field
from datetime import datetime
from typing import Any

from hookstream_keys.auth.session_cookies import SessionCookies
from hookstream_keys.auth.sessions import Lifetimes
from hookstream_keys.auth.sign_in_policy import SignInPolicy
from hookstream_keys.context.idempotency import IdempotentRequest
from hookstream_keys.context.origins import Origins
from hookstream_keys.context.principal import Principal
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.records import record
from hookstream_keys.domain.signing import Signer
from hookstream_keys.runtime.rate_limit_counters import RateLimitCounters
from hookstream_keys.runtime.refusals import Note, not_noted
from hookstream_keys.runtime.usage import Count, not_counted
from hookstream_keys.store import IdempotencyRecord, ReadStore, Store

#: A header that a response has several times has them in a list.
Headers = dict[str, Any]

#: A handler's answer: the body (a JSON value, or bytes), the status, and headers if there are any.
Answer = tuple[Any, int] | tuple[Any, int, Headers]


@record
class Dependencies:
    """What a server has for all of its requests. The command line, which serves none, has none."""

    signer: Signer = field(default_factory=lambda: Signer(""))
    origins: Origins = field(default_factory=Origins)
    #: Who may sign in with a password, and up.
    sign_in: SignInPolicy = field(default_factory=SignInPolicy)
    cookies: SessionCookies = field(default_factory=lambda: SessionCookies(Signer("")))
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    #: How many sessions a user has at most, or None for no limit.
    max_sessions: int | None = None
    #: Whether users whose address is not verified can be made members.
    adds_unverified_members: bool = False
    #: What was taken of limits; without them nothing is limited.
    counters: RateLimitCounters | None = None
    #: Counts the uses of keys.
    count: Count = not_counted
    #: Remembers refused attempts, for the audit log.
    note: Note = not_noted


class RetryInWriteTransaction(Exception):
    """A handler that only reads, as a rule, has something to write, and has done nothing yet.

    It is called again with a `WriteCall`.
    """


@record
class RequestContext:
    """One request, free of HTTP: where the data is, who asks, and what the audit log records.

    The principal is what the credential was worth when the request arrived.
    """

    store: ReadStore
    principal: Principal
    request_id: str
    #: The client's address, or None for the command line.
    address: str | None
    now: datetime
    user_agent: str | None = None
    #: Whether nobody on the way could read the request: it came over https.
    secure: bool = False
    dependencies: Dependencies = field(default_factory=Dependencies)
    #: Where the client wants it done once.
    idempotent_request: IdempotentRequest | None = None

    def idempotency_record(self, answer: Answer) -> IdempotencyRecord | None:
        """What to store with the change that `answer` is about, if it is to be made once."""
        if self.idempotent_request is None:
            return None
        return self.idempotent_request.record(answer, timestamps.to_text(self.now))


@record
class WriteContext(RequestContext):
    """A request inside its write transaction, from a principal that is valid in it.

    A handler that takes one is thereby registered as writing. Only `recheck` makes them, so nothing
    is written for a principal that was not checked in the same transaction.
    """

    store: Store
