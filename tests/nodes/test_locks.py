"""The lock that reads of a write transaction take keeps a request's rights until its commit.

Without it the same course of events goes wrong: that is what the races of `security/test_races.py`
rely on.
"""

import asyncio
from collections.abc import Iterator

import pytest
from support import ON_POSTGRESQL
from support.postgresql import shared_cluster
from unit import samples

from hookstream_keys.store import Store, Tenant, open_store

pytestmark = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has one writer")

#: For so long a write waits for the other node's, which waits for it where the lock is taken.
SECONDS = 0.5


@pytest.fixture
def nodes() -> Iterator[tuple[Store, Store]]:
    url = shared_cluster().new_database()
    one, other = open_store(url), open_store(url)
    one.migrate()
    yield one, other
    one.close()
    other.close()


async def member_writes_last(nodes: tuple[Store, Store]) -> bool:
    """Whether what a member does is stored after their removal on another node."""
    one, other = nodes
    tenant: Tenant = samples.tenant()
    assert await one.add_first_tenant(tenant)
    home, admin = tenant.tenancy.organization, samples.tenant()
    event = samples.event_of(admin.key)
    await one.add_user(admin.user, admin.credential, admin.tenancy, None, [event])
    membership = samples.member(home, admin.user, "admin")
    await one.add_member(membership, samples.event_of(tenant.key))
    removal = samples.event_of(tenant.key, action="member.removed")
    change = samples.event_of(tenant.key, action="environment.created")

    async with one.group_commit():
        assert await one.role_in(home.id, admin.user.id) == "admin"
        removing = asyncio.create_task(other.remove_member(home.id, membership.id, removal))
        # A task has the context of where it was made, and this one is the other node's.
        await asyncio.wait({removing}, timeout=SECONDS)
        await one.add_events([change])
    assert await removing is not None
    removed_at = await one.find_event_position(home.id, removal.id)
    changed_at = await one.find_event_position(home.id, change.id)
    assert removed_at is not None
    assert changed_at is not None
    return changed_at > removed_at


def test_a_right_holds_until_the_commit(nodes: tuple[Store, Store]) -> None:
    assert not nodes[0].run(member_writes_last(nodes))


def test_without_the_lock_it_does_not(
    nodes: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hookstream_keys.store.postgresql.held import Held

    async def take_nothing(_: Held, __: str) -> bool:
        return False

    monkeypatch.setattr(Held, "hold", take_nothing)
    assert nodes[0].run(member_writes_last(nodes))
