"""Lists of keys: which index serves which filters.

Every page but those of `rotated_by` is a bounded scan (`scans`). Environments, names, creators and
states have an index each, in the order of the list. Where several filters are given, the index of
one selects the rows that are read, and the others are conditions on them.
"""

from collections.abc import Sequence

from hookstream_keys.contract.types import KeyState
from hookstream_keys.store.records import ApiKey, KeyFilter, Page, Scanned
from hookstream_keys.store.sql import descendants
from hookstream_keys.store.sql.connection import Row, Value
from hookstream_keys.store.sql.key_class import CLASS
from hookstream_keys.store.sql.keys import COLUMNS, columns_as_read, key_of
from hookstream_keys.store.sql.pending_deletions import key_is_pending
from hookstream_keys.store.sql.scans import Scan, Scans

#: The classes in which the keys of a state are.
_CLASSES: dict[KeyState | None, Sequence[int]] = {
    None: (0, 1, 2, 3),
    "active": (0, 1),
    "expired": (1,),
    "disabled": (2,),
    "revoked": (3,),
}
#: The rest of the condition of a state, at the moment `:now`. A tilde sorts after every time.
_AT_MOMENT: dict[KeyState | None, str] = {
    "active": "coalesce(t.expires_at, '~') > :now",
    "expired": "t.expires_at <= :now",
}
_COLUMNS = columns_as_read("t.")
_LARGEST = [column.strip() for column in COLUMNS.split(",")].index("metadata")
#: Whether rows of the organization's keys may say less than their state: `pending_deletions`.
_HAS_DELETION = "select 1 from pending_deletion where org_id = ? limit 1"


class KeyLists(Scans):
    """Lists of keys."""

    async def list_keys(self, wanted: KeyFilter, page: Page) -> Scanned[ApiKey, tuple[str, str]]:
        beside = (
            wanted.state is not None and await self.one(_HAS_DELETION, (wanted.org_id,)) is not None
        )
        if wanted.rotated_by is not None:
            rotated = await self._rotated(wanted, page, beside=beside)
            return Scanned([key_of(row) for row in rotated])
        rows, position = await self.scan(_scan(wanted, beside=beside), page.before, page.limit)
        return Scanned([key_of(row) for row in rows], position)

    async def _rotated(self, wanted: KeyFilter, page: Page, *, beside: bool) -> Sequence[Row]:
        """Nothing but the number of descendants bounds what this reads."""
        conditions = [f"t.id in ({descendants.ROTATED})", "t.org_id = :org_id"]
        conditions += _conditions(wanted, served=(), beside=beside)
        values = _values(wanted)
        if page.before is not None:
            conditions.append("(t.created_at, t.id) < (:created_at, :id)")
            values["created_at"], values["id"] = page.before
        return await self.all(
            f"select {', '.join(_COLUMNS)} from api_key t where {' and '.join(conditions)}"  # noqa: S608
            f" order by t.created_at desc, t.id desc limit {page.limit:d}",
            values,
        )


def _scan(wanted: KeyFilter, *, beside: bool) -> Scan:
    """The scan of the keys that have all the given values; `beside` a pending deletion."""
    of_state = [f"{CLASS} = {each}" for each in _classes(wanted, beside=beside)]
    served: tuple[str, ...]
    if wanted.env_id is not None:
        served = ("env_id", "state")
        # The handler has authorized the environment. Tenant isolation does not rely on that here.
        of_it = "env_id = :env_id and org_id = :org_id"
        streams = [("api_key_env", f"{of_it} and {each}") for each in of_state]
    elif wanted.name is not None:
        served = ("name",)
        streams = [("api_key_name", "org_id = :org_id and name = :name")]
    elif wanted.created_by is not None:
        served = ("created_by",)
        streams = [("api_key_created_by", "created_by = :created_by and org_id = :org_id")]
    else:
        served = ("state",)
        streams = [("api_key_org", f"org_id = :org_id and {each}") for each in of_state]
    return Scan(
        "api_key",
        _COLUMNS,
        _LARGEST,
        ("created_at", "id"),
        streams,
        _values(wanted),
        _conditions(wanted, served, beside=beside),
    )


def _classes(wanted: KeyFilter, *, beside: bool) -> Sequence[int]:
    """The classes in which keys of the state may be: by a pending deletion in any."""
    return _CLASSES[None if beside and wanted.state == "revoked" else wanted.state]


def _conditions(wanted: KeyFilter, served: Sequence[str], *, beside: bool) -> list[str]:
    """The conditions of the filters that no index of `served` serves already."""
    given = {"env_id": wanted.env_id, "name": wanted.name, "created_by": wanted.created_by}
    conditions = [
        f"t.{column} = :{column}"
        for column, value in given.items()
        if value is not None and column not in served
    ]
    if wanted.state is not None and "state" not in served:
        classes = ", ".join(map(str, _classes(wanted, beside=beside)))
        conditions.append(f"{CLASS} in ({classes})")
    if beside:
        by_deletion = key_is_pending("t.")
        conditions.append(
            f"(t.revoked_at is not null or {by_deletion})"
            if wanted.state == "revoked"
            else f"not {by_deletion}"
        )
    if wanted.state in _AT_MOMENT:
        conditions.append(_AT_MOMENT[wanted.state])
    return conditions


def _values(wanted: KeyFilter) -> dict[str, Value]:
    return {
        "org_id": wanted.org_id,
        "env_id": wanted.env_id,
        "name": wanted.name,
        "created_by": wanted.created_by,
        "made_by": wanted.rotated_by,
        "most": -1,
        "now": wanted.now,
    }
