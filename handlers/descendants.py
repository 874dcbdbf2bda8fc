"""The descendants of a key or member: the keys that they created, directly or indirectly.

They are revoked with a key that has leaked, or with a member's role or membership: in steps, and
the response is sent when all are revoked.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from hookstream_keys.contract import roles
from hookstream_keys.domain import timestamps
from hookstream_keys.domain.sources import Sources
from hookstream_keys.handlers import audit
from hookstream_keys.handlers.context import Answer, RequestContext, Unfinished, WriteContext
from hookstream_keys.runtime.batches import MAX_ROWS, MAX_SECONDS
from hookstream_keys.store import (
    AuditEvent,
    DescendantRevocation,
    Member,
    RevocationProgress,
    RevocationWork,
)

#: How many descendants, and how many of their rotations, are visited for a count: 50 ms of a
#: thread. Stated in `openapi.yaml`.
MAX_COUNTED = 10_000


def revocation_by(
    sources: Sources, event: AuditEvent, reason: str, made_by: str, kept_role: str | None
) -> RevocationWork:
    """The revocation of the descendants of `made_by` with the change of this event.

    For a reason of RFC 5280. Keys that `kept_role` covers are kept; None: none is. `sources` are
    the server's: the events of the keys are later than the request.
    """
    revocation = DescendantRevocation(
        id=event.id,
        made_by=made_by,
        org_id=event.org_id,
        reason=reason,
        cause=event.resource_id,
        kept_role=kept_role,
        begun_at=event.created_at,
        user_id=event.user_id,
        api_key_id=event.api_key_id,
        ip_address=event.ip_address,
        request_id=event.request_id,
    )
    return RevocationWork(revocation, audit.revocation_events(sources))


def when_revoked(
    context: WriteContext,
    revocation_id: str,
    progress: RevocationProgress,
    answer: Callable[[int], Coroutine[Any, Any, Answer]],
) -> Unfinished:
    """Continue a revocation until it is complete; then `answer` gets the number of revoked keys."""
    if progress.is_complete:
        return Unfinished(lambda: answer(progress.keys_revoked), writes=False)

    async def step() -> Answer:
        moved = await context.store.continue_revocation(
            revocation_id,
            audit.revocation_events(context.dependencies.sources),
            MAX_ROWS,
            MAX_SECONDS,
        )
        return when_revoked(context, revocation_id, moved, answer), 0

    return Unfinished(step, writes=True)


async def count_rotated(
    context: RequestContext, made_by: str, org_id: str
) -> dict[str | None, int]:
    """How many other keys they have valid secrets of now, by role: of `MAX_COUNTED` rotations."""
    now = timestamps.to_text(context.dependencies.sources.now())
    return await context.store.count_rotated(made_by, org_id, now, MAX_COUNTED)


async def view(
    context: RequestContext, member: Member, role: str | None, revoked: int | None
) -> dict[str, int]:
    """The keys that a member's new role does not cover: `MemberKeys` of the document.

    `role` is None for no membership; `revoked` is None where the keys are kept.
    """
    rotated = await count_rotated(context, member.user_id, member.org_id)
    not_covered = revoked
    if not_covered is None:
        made = await context.store.count_descendants(member.user_id, member.org_id, MAX_COUNTED)
        not_covered = _beyond(role, made)
    return {
        "not_covered": not_covered,
        "revoked": revoked or 0,
        "rotated": _beyond(role, rotated),
    }


def _beyond(role: str | None, counts: dict[str | None, int]) -> int:
    """How many of the keys the role does not cover."""
    return sum(
        count for of_key, count in counts.items() if role is None or not roles.cover(role, of_key)
    )
