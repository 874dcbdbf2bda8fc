"""Descendants in SQL: the keys that a user or key created, directly or indirectly.

Descendants of revoked keys are included. Also the rotations of other keys by a user, a key or its
descendants, who have the new secret. Every statement binds `:made_by` and `:org_id`, and
`:most`: at most so many descendants are visited, and so many rotations; -1 for all.
"""

from hookstream_keys.store.sql.pending_deletions import key_is_pending

#: The ids of the descendants, as the table `descendant`.
CTE = """
    with recursive descendant (id) as (
        select id from api_key where created_by = :made_by and org_id = :org_id
        union
        select k.id from api_key k join descendant d on k.created_by = d.id
        limit :most
    )
"""
#: How many are not revoked, by role.
COUNT = f"""{CTE}
    select role, count(*) from api_key
    where id in (select id from descendant) and revoked_at is null and not {key_is_pending()}
    group by role
"""  # noqa: S608 - constants
#: Their rotations `r` of keys `k` that are neither descendants nor revoked; cancelled ones have no
#: index. The order of the tables is that of the fewest rows.
_ROTATIONS = f"""
    from (
        select * from rotation indexed by rotation_created_by
        where created_by in (select :made_by union all select id from descendant)
          and state <> 'cancelled'
        limit :most
    ) r cross join api_key k on k.id = r.key_id
    where k.org_id = :org_id and k.revoked_at is null and not {key_is_pending("k.")}
      and k.id <> :made_by and k.id not in (select id from descendant)
"""  # noqa: S608 - constants
#: That the secret which the rotation `r` gave is pending or valid at `:now`. The row of the
#: activation after it has that secret, and until when it is valid.
_IS_VALID = """
    (r.state = 'pending' or r.state = 'grace' and coalesce(
        (select coalesce(next.expires_at, '~') from rotation next
         where next.key_id = r.key_id and next.state = 'grace'
           and (next.activated_at, next.id) > (r.activated_at, r.id)
         order by next.activated_at, next.id limit 1),
        '~') > :now)
"""
#: The ids of the keys of which they have a secret.
ROTATED = f"{CTE} select k.id {_ROTATIONS} and {_IS_VALID}"
#: How many keys those are, by role.
COUNT_ROTATED = f"""
    select role, count(*) from api_key where id in ({ROTATED}) group by role
"""  # noqa: S608 - constants
