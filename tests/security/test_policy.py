"""Every operation, requested by every kind of caller: docs/policy.md, cell by cell."""

import json
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from security import policy
from security.asking import BODIES, OPERATIONS, Slot, asked
from security.policy import Cell
from security.world import PASSWORD, PAST, Headers, Rows, Tenant, bearer
from support import Server

from hookstream_keys.domain import passwords

CELLS = policy.read()

#: Reads, whatever the method: nothing is ever changed by them.
READING = {"verifyApiKey", "verifyApiKeys", "signInEmail"}


class World:
    """A tenant whose resources are requested, another one, and every kind of caller."""

    def __init__(self, rows: Rows, client: httpx.Client) -> None:
        self.client = client
        self.mine, self.other = Tenant(rows), Tenant(rows)

    def hidden_from(self, who: str) -> set[str]:
        """What must not be in an answer to this caller, whatever the status."""
        mine = self.mine
        if who in ("owner", "admin", "member", "creator", "key", "no scope", "member's key"):
            return set()
        of_environment = {mine.key, mine.rotation, mine.secret, mine.next_secret, mine.env}
        return of_environment if who == "other env" else {*of_environment, mine.org, mine.member}


def other_env(world: World) -> Headers:
    env = world.mine.rows.add_environment(world.mine.org)
    return world.mine.with_key(env)


WHO: dict[str, Callable[[World], Headers]] = {
    "anonymous": lambda _: {},
    "owner": lambda world: world.mine.signed_in("owner"),
    "admin": lambda world: world.mine.signed_in("admin"),
    "member": lambda world: world.mine.signed_in("member"),
    "creator": lambda world: bearer(world.mine.rows.add_session(world.mine.maker)),
    "outsider": lambda world: world.other.signed_in("owner"),
    "key": lambda world: world.mine.with_key(),
    "no scope": lambda world: world.mine.with_key(scopes="events:*"),
    "member's key": lambda world: world.mine.with_key(role="member"),
    "other env": other_env,
    "other org": lambda world: world.other.with_key(),
    "disabled": lambda world: world.mine.with_key(enabled=0),
    "expired": lambda world: world.mine.with_key(expires_at=PAST),
    "revoked": lambda world: world.mine.with_key(revoked_at=PAST),
    "expired session": lambda world: world.mine.signed_in("owner", PAST),
    "signed out": lambda world: world.mine.signed_in("owner"),
    "malformed": lambda _: {"X-API-Key": "nonsense", **bearer("nonsense")},
}


@pytest.fixture(scope="module")
def rows(server: Server) -> Iterator[Rows]:
    rows = Rows(server.database)
    with rows.at_once():
        # The target of some operations: a user without an organization.
        user = rows.add("user", name="Eve", email="unknown@example.com", emailVerified=1,
                        createdAt=PAST, updatedAt=PAST)  # fmt: skip
        rows.add("account", accountId=user, providerId="credential", userId=user,
                 password=passwords.hashed(PASSWORD), createdAt=PAST, updatedAt=PAST)  # fmt: skip
    yield rows
    rows.close()


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_answer_is_as_the_policy_says(client: httpx.Client, rows: Rows, cell: Cell) -> None:
    with rows.at_once():
        world = World(rows, client)
        headers = WHO[cell.who](world)
    if cell.who == "signed out":
        assert client.post("/auth/sign-out", json={}, headers=headers).is_success
    before = world.mine.everything()

    answer = ask(world, cell.operation, headers)

    assert (answer.status_code, word_of(answer, cell)) == (cell.status, cell.word), answer.text
    assert answer.is_success or "bad_request" not in answer.text, "it was not a valid request"
    assert_challenged(answer)
    told = f"{answer.text} {answer.headers}"
    assert not {secret for secret in world.hidden_from(cell.who) if secret in told}
    if not answer.is_success or is_reading(cell.operation):
        assert world.mine.everything() == before


def assert_challenged(answer: httpx.Response) -> None:
    """Only a missing credential or scope is answered with a challenge (RFC 6750)."""
    code = answer.json()["code"] if answer.status_code in (401, 403) else None
    challenge = answer.headers.get("www-authenticate")
    if code == "unauthorized":
        assert challenge
        assert challenge.startswith("Bearer realm=")
    elif code == "insufficient_scope":
        assert challenge == 'Bearer realm="hookstream", error="insufficient_scope"'
    else:
        assert challenge is None


def ask(world: World, operation_id: str, headers: Headers) -> httpx.Response:
    mine = world.mine
    # Of an answer before: what a browser would keep is nothing of this caller's.
    world.client.cookies.clear()

    def chosen(slot: Slot) -> str:
        return mine.id_of(slot.kind)

    request = asked(
        OPERATIONS[operation_id],
        chosen,
        verifyApiKey={"key": mine.secret},
        verifyApiKeys={"requests": [{"key": mine.secret}]},
        revokeBySecret={"key": mine.secret},
    )
    return world.client.request(
        request.method, request.path, headers=headers, **request.arguments()
    )


def word_of(answer: httpx.Response, cell: Cell) -> str | None:
    """What the answer says beside its status, where the policy has a word of that operation."""
    body = json.loads(answer.content or b"{}") if answer.is_success and cell.word else {}
    if body is None:
        return "null"
    (first,) = body.get("results", [body])
    return first.get("code") if isinstance(first, dict) else None


def is_reading(operation_id: str) -> bool:
    return OPERATIONS[operation_id].method == "GET" or operation_id in READING


def test_every_operation_has_one_row_and_every_row_an_operation() -> None:
    rows = Counter(cell.operation for cell in CELLS if cell.who == "anonymous")
    assert rows == Counter(list(OPERATIONS))


def test_every_kind_of_caller_has_one_column() -> None:
    assert {cell.who for cell in CELLS} == set(WHO)
    assert len(CELLS) == len(OPERATIONS) * len(WHO)


def test_an_invalid_credential_is_allowed_no_more_than_none() -> None:
    """By a look at the table alone: a credential that is invalid opens what none opens."""
    by_cell = {(cell.operation, cell.who): (cell.status, cell.word) for cell in CELLS}
    for operation in OPERATIONS:
        for who in ("disabled", "expired", "revoked", "expired session", "signed out", "malformed"):
            assert by_cell[operation, who] == by_cell[operation, "anonymous"]


def test_there_is_a_valid_body_for_every_operation_that_takes_one() -> None:
    assert set(BODIES) == {each.id for each in OPERATIONS.values() if each.consumes}
