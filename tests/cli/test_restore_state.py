"""After every restore the log explains the state: random changes, backups and restores of them.

`FUZZ_RESTORES` says how many sequences, from a random seed; otherwise they are the same each time.
"""

import itertools
import os
import random
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Database, Tenant, url_of
from support.backups import backup, command, init, restore, verified
from support.results import result_of, together

from hookstream_keys.cli.operations import ask, operator_context
from hookstream_keys.context.principal import SessionPrincipal
from hookstream_keys.domain import keys, timestamps
from hookstream_keys.domain.errors import ApiError
from hookstream_keys.handlers import organizations, rotations
from hookstream_keys.handlers.recheck import write_context
from hookstream_keys.store import open_store

IS_CAMPAIGN = "FUZZ_RESTORES" in os.environ
SEQUENCES = int(os.environ.get("FUZZ_RESTORES") or 12)
SEED = int(os.environ.get("FUZZ_SEED") or (secrets.randbelow(2**32) if IS_CAMPAIGN else 20261126))
STEPS = 40

RULES: list[dict[str, Any]] = [
    {"scopes": "*"},
    {"scopes": "a:read b:*"},
    {"scopes": "a:* c"},
    {"enabled": False},
    {"enabled": True},
    {"expires_at": None},
    {"expires_at": "2999-01-01T00:00:00Z"},
    {"expires_at": "2998-01-01T00:00:00Z"},
    {"allowed_ips": []},
    {"allowed_ips": ["10.0.0.0/8", "2001:db8::/32"]},
    {"allowed_ips": ["10.1.0.0/16"]},
    {"rate_limit": None},
    {"rate_limit": {"requests": 10, "window_seconds": 60}},
    {"metadata": {"plan": "free"}},
    {"metadata": {"old": "x", "new": "y"}},
    {"external_id": "x"},
    {"name": "renamed"},
]


class Life:
    """A database to which an operator does this and that."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self.database, self.chance, self.done = database, chance, Counter[str]()
        self.tenant: Tenant = init(database)
        self.backups: list[Path] = []
        self.numbers = itertools.count()
        self.pending: dict[str, bytes] = {}
        self.users = [database.add_user() for _ in range(3)]

    def step(self) -> None:
        """Do something that can be done."""
        steps: list[Callable[[], Any]] = [
            self.create, self.create, self.change, self.change, self.change, self.revoke,
            self.rotate, self.rotate, self.activate, self.cancel, self.add_member,
            self.change_member, self.remove_member, self.create_environment,
            self.change_environment, self.delete_environment, self.create_organization,
            self.delete_organization, self.change_organization,
            self.prune, self.prune_log, self.back_up, self.restore, self.restore,
        ]  # fmt: skip
        step = self.chance.choice(steps)
        if step == self.delete_organization and self.chance.random() > 0.1:
            return
        try:
            step()
        except (ApiError, IndexError):
            # It cannot be done to what there is.
            return
        self.done[step.__name__] += 1

    def ask(self, operation: str, body: Any = None, **given: str) -> Any:
        store = open_store(url_of(self.database.path))
        try:
            return ask(store, operation, body, **given)
        finally:
            store.close()

    def one(self, table: str, where: str = "true") -> Any:
        """The id of a row. Raises IndexError."""
        rows = self.database.execute(f'select id from "{table}" where {where} order by id')
        return self.chance.choice(rows)[0]

    def create(self) -> None:
        row = self.one("environment", "deleted_at is null")
        org = self.database.execute("select org_id from environment where id = ?", (row,))[0][0]
        rules = self.chance.choice(RULES)
        rules = {name: value for name, value in rules.items() if value is not None}
        self.ask("createApiKey", {"name": "n", "org_id": org, "env_id": row} | rules)

    def change(self) -> None:
        rules = self.chance.choice(RULES) | self.chance.choice(RULES)
        self.ask("updateApiKey", rules, id=self.one("api_key", "revoked_at is null"))

    def revoke(self) -> None:
        self.ask("revokeApiKey", id=self.one("api_key"), reason="superseded")

    def rotate(self) -> None:
        body: dict[str, Any] = {"grace_period_seconds": self.chance.choice((0, 3600))}
        if self.chance.random() < 0.5:
            body["expires_at"] = self.chance.choice((None, "2997-01-01T00:00:00Z"))
        made = self.ask("rotateApiKey", body, id=self.one("api_key", "revoked_at is null"))
        self.pending[made["rotation"]["id"]] = keys.digest(made["key"])

    def activate(self) -> None:
        digest = self.pending[self.one("rotation", "state = 'pending'")]
        store = open_store(url_of(self.database.path))
        with together(store):
            context = result_of(
                write_context(operator_context(store), store, _invalid, optional=False)
            )
            found = result_of(store.find_key(digest))
            assert found is not None
            assert found.rotation is not None
            result_of(rotations.activate(context, found.id, found.rotation))
        store.close()

    def cancel(self) -> None:
        row = self.one("rotation", "state = 'pending'")
        key = self.database.execute("select key_id from rotation where id = ?", (row,))[0][0]
        self.ask("cancelRotation", id=key, rotation_id=row)

    def add_member(self) -> None:
        email = f"{self.chance.choice(self.users)}@example.com"
        role = self.chance.choice(("owner", "admin", "member"))
        self.ask("addMember", {"email": email, "role": role}, id=self.one("organization"))

    def change_member(self) -> None:
        row, org = self._member()
        role = self.chance.choice(("owner", "admin", "member"))
        self.ask("updateMember", {"role": role}, id=org, member_id=row)

    def remove_member(self) -> None:
        row, org = self._member()
        self.ask("removeMember", id=org, member_id=row)

    def _member(self) -> tuple[str, str]:
        row = self.one("member")
        statement = 'select "organizationId" from "member" where id = ?'
        return row, self.database.execute(statement, (row,))[0][0]

    def create_environment(self) -> None:
        body = {"org_id": self.one("organization"), "name": "n", "slug": secrets.token_hex(4)}
        self.ask("createEnvironment", body | {"mode": self.chance.choice(("live", "test"))})

    def change_environment(self) -> None:
        row = self.one("environment", "deleted_at is null")
        self.ask("updateEnvironment", {"name": "m", "slug": secrets.token_hex(4)}, id=row)

    def delete_environment(self) -> None:
        self.ask("deleteEnvironment", id=self.one("environment", "deleted_at is null"))

    def create_organization(self) -> None:
        """As one of the users, whose first member they are."""
        store = open_store(url_of(self.database.path))
        user = SessionPrincipal("ses", self.chance.choice(self.users))
        with together(store):
            context = replace(operator_context(store), principal=user)
            context = result_of(write_context(context, store, _as_it_is, optional=False))
            result_of(organizations.create_organization(context, {"name": "Another"}))
        store.close()

    def change_organization(self) -> None:
        body = self.chance.choice(({"name": "Renamed"}, {"slug": secrets.token_hex(4)}))
        self.ask("updateOrganization", body, id=self.one("organization"))

    def delete_organization(self) -> None:
        self.ask("deleteOrganization", id=self.one("organization"))

    def prune(self) -> None:
        """As a server does now and then: rows of what has ended go without a word."""
        now = timestamps.to_text(timestamps.now())
        # Keys and rotations of an environment go with it.
        for statement, values in (
            ("delete from rotation where state = 'cancelled'", ()),
            ("delete from rotation where state = 'grace' and expires_at <= ?", (now,)),
            ("delete from environment where deleted_at is not null", ()),
        ):
            self.database.execute(statement, values, references=True)

    def prune_log(self) -> None:
        """The oldest events go, and a checkpoint stays; older backups cannot be restored then."""
        (moment,) = self.chance.choice(
            self.database.execute("select created_at from audit_log order by seq")
        )
        done = command(
            self.database, "audit", "prune", "--before", moment, "--no-archive", "--json"
        )
        assert done.returncode == 0, done.stderr
        if '"rows": 0' not in done.stdout:
            self.backups = []
        checked = verified(self.database, "--state")
        assert (checked["ok"], checked["state"]["complete"]) == (True, True), checked

    def back_up(self) -> None:
        self.backups.append(backup(self.database, f"{next(self.numbers)}.db"))

    def restore(self) -> None:
        path = self.chance.choice(self.backups)
        before = self._valid()
        rehearsed = restore(self.database, path, "--dry-run")
        assert restore(self.database, path) == rehearsed
        # Nothing is valid that was not: keys are named by their secrets.
        assert self._valid() <= before
        if self.chance.random() < 0.2:
            # And with the database lost.
            last = backup(self.database, f"{next(self.numbers)}.db")
            self.backups = [last]
            self.database.lose()
            done = command(self.database, "restore", str(last))
            assert done.returncode == 0, done.stderr

    def _valid(self) -> set[Any]:
        return set(
            self.database.execute(
                "select digest from api_key where revoked_at is null and enabled = 1 union"
                " select r.digest from rotation r join api_key k on k.id = r.key_id"
                " where k.revoked_at is null and k.enabled = 1 and r.state <> 'cancelled'"
            )
        )


def test_the_log_explains_the_state_after_every_restore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Counter[str]()
    for number in range(SEQUENCES):
        folder = tmp_path / str(number)
        folder.mkdir()
        chance = random.Random(SEED + number)  # noqa: S311 - what to do is no secret
        life = Life(Database(folder / "hookstream.db"), chance)
        for _ in range(STEPS):
            life.step()
        found = verified(life.database, "--state")
        assert "state" in found, f"sequence {number}: {found['message']}"
        assert (found["ok"], found["state"]["faults"]) == (True, []), f"sequence {number}"
        done += life.done
    with capsys.disabled():
        print(f"\n{SEQUENCES} sequences, {dict(done)}, seed {SEED}")
    assert min(done[name] for name in ("restore", "activate", "remove_member")) > 0


async def _invalid(*_: object) -> None:
    """Replaces the check of a principal: the operator is none that is checked."""


async def _as_it_is(principal: Any, *_: object) -> Any:
    """Replaces the check of a principal who is valid."""
    return principal
