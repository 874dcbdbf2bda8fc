"""`hookstream-keys audit accept`: records changes by better-auth, and no others."""

import json
from pathlib import Path
from typing import Any

import pytest
from support import url_of
from support.backups import backup, change, command, create, edit, restore, verified
from support.history import World

from hookstream_keys.cli.operations import ask
from hookstream_keys.store import open_store
from hookstream_keys.store.sqlite import audit_accept


def accept(world: World, *options: str) -> tuple[int, dict[str, Any]]:
    """The exit status, and what a program is told."""
    done = command(world.database, "audit", "accept", *options, "--json")
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def events(world: World, after: int) -> list[tuple[Any, ...]]:
    rows = world.database.execute(
        "select action, org_id, resource_id, user_id, api_key_id, details from audit_log"
        " where seq > ? order by seq",
        (after,),
    )
    return [(*row[:-1], json.loads(row[-1])) for row in rows]


def head(world: World) -> int:
    seq: int = world.database.execute("select max(seq) from audit_log")[0][0]
    return seq


CASES: list[tuple[str, list[str], list[tuple[str, str, dict[str, Any]]]]] = [
    (
        "a role",
        ["update \"member\" set role = 'admin,billing' where id = '{member}'"],
        [
            (
                "member.updated",
                "member",
                {
                    "user_id": "{user}",
                    "changes": {"role": {"old": "member", "new": "admin,billing"}},
                },
            )
        ],
    ),
    (
        "a member who was added",
        ["insert into \"member\" values ('new', '{org}', '{user}', 'admin', '2026-01-01')"],
        [("member.added", "new", {"user_id": "{user}", "role": "admin"})],
    ),
    (
        "a member who was removed",
        ["delete from \"member\" where id = '{member}'"],
        [("member.removed", "member", {"user_id": "{user}", "role": "member"})],
    ),
    (
        "a member who is another user now",
        ["update \"member\" set \"userId\" = '{owner}', role = 'admin' where id = '{member}'"],
        [
            ("member.removed", "member", {"user_id": "{user}", "role": "member"}),
            ("member.added", "member", {"user_id": "{owner}", "role": "admin"}),
        ],
    ),
    (
        "the names of an organization",
        ["update \"organization\" set name = 'Other', slug = 'other' where id = '{org}'"],
        [
            (
                "organization.updated",
                "org",
                {
                    "changes": {
                        "name": {"old": "My organization", "new": "Other"},
                        "slug": {"old": "my-organization", "new": "other"},
                    }
                },
            )
        ],
    ),
]


def filled(value: Any, ids: dict[str, str]) -> Any:
    """A value with the ids of the world by their names."""
    if isinstance(value, dict):
        return {name: filled(each, ids) for name, each in value.items()}
    return value.format(**ids) if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("statements", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_an_accepted_change_is_recorded_and_no_longer_reported(
    world: World, statements: list[str], expected: list[tuple[str, str, dict[str, Any]]]
) -> None:
    ids = world.ids | {"owner": world.tenant.user_id, "new": "new"}
    for statement in statements:
        world.database.execute(statement.format(**ids))
    before, last = world.database.dump(), head(world)
    reported = verified(world.database, "--state")["state"]["fault_count"]
    assert reported > 0
    # Listed, and nothing else.
    code, listed = accept(world)
    assert (code, listed["accepted"], listed["left_count"]) == (1, False, 0)
    assert world.database.dump() == before
    wanted = [
        (action, ids["org"], ids[name], filled(details, ids) | {"accepted": True})
        for action, name, details in expected
    ]
    assert [tuple(each.values()) for each in listed["changes"]] == wanted
    code, done = accept(world, "--yes")
    assert (code, done) == (0, listed | {"accepted": True})
    # By the operator, who is no user and no key.
    assert events(world, last) == [
        (action, org, row, None, None, details) for action, org, row, details in wanted
    ]
    found = verified(world.database, "--state")
    assert (found["ok"], found["state"]["faults"]) == (True, [])
    # And what is changed after it is reported.
    world.edit("update \"member\" set role = 'owner'")
    world.edit("update \"organization\" set name = 'x' where id = '{org}'")
    assert world.faults() != []


def test_a_deleted_organization_is_accepted_with_its_rows(
    world: World,
) -> None:
    world.edit("pragma foreign_keys = on", "delete from \"organization\" where id = '{org}'")
    assert len(world.faults()) > 10
    last = head(world)
    code, listed = accept(world)
    assert (code, listed["left_count"]) == (1, 0)
    assert accept(world, "--yes")[0] == 0
    ((action, org_id, row_id, _, _, details),) = events(world, last)
    assert (action, org_id, row_id) == ("organization.deleted", world.ids["org"], world.ids["org"])
    assert details["removed_with_it"]["api_key"] == 5
    assert details["removed_with_it"]["member"] == 2
    assert (details["name"], details["accepted"]) == ("My organization", True)
    assert world.faults() == []


def test_a_key_that_is_left_of_a_deleted_organization_is_reported(world: World) -> None:
    world.edit(
        "pragma foreign_keys = off",
        "delete from \"organization\" where id = '{org}'",
        'delete from "member" where "organizationId" = \'{org}\'',
        "delete from environment where org_id = '{org}'",
        "delete from rotation",
        "delete from api_key where id <> '{rich}'",
    )
    accept(world, "--yes")
    assert world.faults() == [("api_key", world.ids["rich"], "row")]


KEY_CHANGES = [
    "update api_key set revoked_at = null where id = '{revoked}'",
    "update api_key set scopes = '*' where id = '{rich}'",
    "delete from api_key where id = '{rich}'",
    "insert into api_key (id, digest, org_id, env_id, name, prefix, scopes, created_at)"
    " values ('new', randomblob(32), '{org}', '{env}', 'n', 'hs_live_0000', '*', '2020')",
    "update rotation set expires_at = null where id = '{rotation_rotated}'",
    "update environment set name = 'x' where id = '{env_2}'",
]


@pytest.mark.parametrize("statement", KEY_CHANGES)
def test_nothing_else_is_ever_accepted(world: World, statement: str) -> None:
    world.edit(statement)
    (fault,) = world.faults()
    before = world.database.dump()
    for options in ([], ["--yes"]):
        code, found = accept(world, *options)
        assert (code, found["changes"], found["left_count"]) == (1, [], 1)
        assert found["left"][0]["id"] == fault[1]
        assert world.database.dump() == before
    done = command(world.database, "audit", "accept", fault[1], "--yes")
    assert done.returncode == 1
    assert f"'{fault[1]}' cannot be accepted: give ids of members or" in done.stderr


def test_a_key_stays_reported_beside_a_member_that_is_accepted(world: World) -> None:
    world.edit(KEY_CHANGES[0], "update \"member\" set role = 'admin' where id = '{member}'")
    code, found = accept(world, "--yes")
    assert (code, len(found["changes"]), found["left_count"]) == (1, 1, 1)
    assert world.faults() == [("api_key", world.ids["revoked"], "revoked_at")]


def test_an_organization_and_its_members_are_accepted_at_once(world: World) -> None:
    world.edit(
        "update \"member\" set role = 'admin' where id = '{member}'",
        "update \"organization\" set name = 'Other' where id = '{org}'",
    )
    code, found = accept(world, "--yes")
    actions = [change["action"] for change in found["changes"]]
    assert (code, actions) == (0, ["organization.updated", "member.updated"])
    assert world.faults() == []


def test_only_what_is_named_is_accepted(world: World) -> None:
    world.edit(
        "update \"member\" set role = 'admin' where id = '{member}'",
        "update \"organization\" set name = 'Other' where id = '{org}'",
    )
    code, found = accept(world, world.ids["member"], "--yes")
    assert (code, len(found["changes"]), found["left_count"]) == (1, 1, 1)
    assert world.faults() == [("organization", world.ids["org"], "name")]
    assert accept(world, world.ids["org"], "--yes")[0] == 0
    assert world.faults() == []


def test_the_text_output_is_safe_for_a_terminal(world: World) -> None:
    world.edit("update \"organization\" set name = char(27) || '[2J' where id = '{org}'")
    done = command(world.database, "audit", "accept")
    assert done.returncode == 1
    org = world.ids["org"]
    changes = {"name": {"old": "My organization", "new": "\x1b[2J"}}
    told = json.dumps({"changes": changes})
    assert done.stdout == f'organization.updated "{org}" of "{org}": {told}\n'
    assert "\x1b" not in done.stdout
    assert done.stderr == (
        "Nothing was changed. To accept what is listed, without what is left, add --yes.\n"
    )
    done = command(world.database, "audit", "accept", "--yes")
    assert (done.returncode, done.stderr) == (0, "Accepted: the audit log has an event for each.\n")
    done = command(world.database, "audit", "accept", "--yes")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "There is nothing to accept.\n"


@pytest.mark.on_sqlite(reason="PostgreSQL's columns have values of their types only")
@pytest.mark.parametrize(
    "statement",
    [
        "update \"member\" set \"createdAt\" = 'then', role = 'x' where id = '{member}'",
        "update \"member\" set role = cast(x'ff' as text) where id = '{member}'",
        "update \"organization\" set name = cast(x'ff' as text) where id = '{org}'",
    ],
)
def test_what_cannot_be_read_or_stored_is_left(world: World, statement: str) -> None:
    world.edit(statement)
    code, found = accept(world, "--yes")
    assert (code, found["changes"]) == (1, [])
    assert found["left_count"] == len(world.faults()) > 0


def test_an_organization_that_the_log_calls_deleted_is_not_accepted_back(world: World) -> None:
    row = world.database.row_of("organization", world.ids["org"])
    world.edit("pragma foreign_keys = on", "delete from \"organization\" where id = '{org}'")
    accept(world, "--yes")
    world.database.insert("organization", row)
    code, found = accept(world, "--yes")
    assert (code, found["changes"], found["left_count"]) == (1, [], 1)


def test_a_log_that_was_changed_explains_nothing(world: World) -> None:
    world.edit(
        "drop trigger audit_log_no_update",
        "update audit_log set details = '{{}}' where seq = 2",
        "update \"member\" set role = 'admin' where id = '{member}'",
    )
    before = world.database.dump()
    done = command(world.database, "audit", "accept", "--yes")
    assert done.returncode == 1
    assert "the audit log is not as it was written, so that nothing follows" in done.stderr
    assert world.database.dump() == before


@pytest.mark.on_sqlite(reason="on PostgreSQL nothing writes meanwhile")
@pytest.mark.parametrize(
    "meanwhile",
    [
        "update \"member\" set role = 'owner'",
        "delete from \"member\" where role = 'admin'",
        "event",
    ],
)
def test_concurrent_changes_are_not_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    world.edit("update \"member\" set role = 'admin' where id = '{member}'")
    require = audit_accept._require_all

    def change_and_go_on(*arguments: Any) -> None:
        if meanwhile == "event":
            # The API changes it and back: the log says something else than was compared.
            store_event(world)
        else:
            world.edit(meanwhile)
        require(*arguments)

    monkeypatch.setattr(audit_accept, "_require_all", change_and_go_on)
    done = command(world.database, "audit", "accept", "--yes")
    assert done.returncode == 1
    member = world.ids["member"]
    assert f"the member '{member}' was changed meanwhile, and nothing was accepted" in done.stderr
    assert "accepted" not in "".join(
        row[0] for row in world.database.execute("select details from audit_log")
    )


@pytest.mark.on_postgresql(reason="on SQLite others write meanwhile")
def test_nothing_changes_while_changes_are_accepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.edit("update \"member\" set role = 'admin' where id = '{member}'")
    require, tries = audit_accept._require_all, 0

    def change_and_go_on(*arguments: Any) -> None:
        nonlocal tries
        for statement in (
            "update \"member\" set role = 'owner'",
            "update \"organization\" set name = 'x'",
            "update audit_head set seq = seq + 1",
        ):
            with pytest.raises(Exception, match="lock timeout"):
                world.edit("set lock_timeout = 100", statement)
            tries += 1
        require(*arguments)

    monkeypatch.setattr(audit_accept, "_require_all", change_and_go_on)
    assert accept(world, "--yes")[0] == 0
    assert tries == 3
    assert world.faults() == []


def store_event(world: World) -> None:
    """An event about the member, as a change by the API has one."""
    store = open_store(url_of(world.database.path))
    for role in ("member", "admin"):
        place = {"id": world.ids["org"], "member_id": world.ids["member"]}
        ask(store, "updateMember", {"role": role}, **place)
    store.close()


def test_a_backup_of_accepted_changes_needs_no_override(world: World) -> None:
    world.edit("update \"member\" set role = 'admin' where id = '{member}'")
    path = backup(world.database, "before.db", explained=False)
    done = command(world.database, "restore", str(path))
    assert done.returncode == 1
    accept(world, "--yes")
    path = backup(world.database)
    change(world.database, world.ids["rich"], name="Again")
    assert restore(world.database, path)["sealed"] is True
    world.database.lose()
    assert command(world.database, "restore", str(path)).returncode == 0
    assert world.faults() == []


def test_a_member_whose_removal_was_accepted_stays_out_after_a_restore(world: World) -> None:
    path = backup(world.database)
    world.edit("delete from \"member\" where id = '{member}'")
    accept(world, "--yes")
    # Where the organization is gone as well, only the log knows.
    edit(
        world.database.path,
        "pragma foreign_keys = on",
        f"delete from \"organization\" where id = '{world.ids['org']}'",
    )
    accept(world, "--yes")
    restore(world.database, path)
    assert world.database.execute(
        'select "userId" from "member" where "organizationId" = ?', (world.ids["org"],)
    ) == [(world.tenant.user_id,)]


def test_it_works_after_a_prune_with_its_checkpoint_and_with_archives(
    world: World, tmp_path: Path
) -> None:
    archive = str(tmp_path / "a.jsonl")
    done = command(
        world.database, "audit", "prune", "--before", world.database.now(), "--archive", archive
    )
    assert done.returncode == 0
    world.edit("update \"member\" set role = 'admin' where id = '{member}'")
    assert accept(world)[1] == accept(world, "--archive", archive)[1]
    assert accept(world, "--yes")[0] == 0
    assert world.faults() == []
    assert verified(world.database, "--state", "--archive", archive)["ok"]


def test_members_of_organizations_that_better_auth_made_are_not_listed(world: World) -> None:
    org_id = world.database.add_organization()
    world.database.add_member(org_id, world.ids["user"], "owner")
    create(world.database, world.tenant)
    assert accept(world) == (
        0,
        {"accepted": False, "changes": [], "left": [], "left_count": 0},
    )
