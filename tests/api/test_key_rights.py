"""The rule of rights for a key: who may make one, get its secret, or lift what restricts it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support import Server, Tenant, assert_error

Headers = dict[str, str]
Create = Callable[..., httpx.Response]

FAR_OFF, FARTHER = "2998-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"
RATE = {"requests": 10, "window_seconds": 60}

#: How each rule is restricted, and how the restriction is lifted.
RULES: dict[str, tuple[Any, Any]] = {
    "scopes": ("events:read", "events:*"),
    "enabled": (False, True),
    "expires_at": (FAR_OFF, FARTHER),
    "allowed_ips": (["192.0.2.0/24"], ["192.0.2.0/23"]),
    "rate_limit": (RATE, {**RATE, "requests": 11}),
}


class Team:
    """The first organization, with users of every role who are signed in."""

    def __init__(self, server: Server, tenant: Tenant) -> None:
        self.server = server
        self.tenant = tenant
        self.users: dict[str, str] = {}
        self.sessions = {role: self.join(role) for role in ("owner", "admin", "member")}

    def join(self, role: str) -> Headers:
        database = self.server.database
        user = database.add_user()
        database.add_member(self.tenant.org_id, user, role)
        self.users[role] = user
        return {"Authorization": f"Bearer {database.add_session(user)}"}

    def become(self, role: str, now: str) -> None:
        """Give the user of a role another one."""
        self.server.database.execute(
            'update "member" set role = ? where "userId" = ?', (now, self.users[role])
        )

    def create(self, by: str, headers: dict[str, str], **rules: Any) -> httpx.Response:
        body = {"name": "Key", "org_id": self.tenant.org_id, "env_id": self.tenant.env_id}
        return self.ask(by, "POST", "", json=body | rules, headers=headers)

    def make(self, by: str, **rules: Any) -> dict[str, Any]:
        answer = self.create(by, {}, **rules)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def change(self, by: str, key: dict[str, Any], **changes: Any) -> httpx.Response:
        return self.ask(by, "PATCH", f"/{key['id']}", json=changes)

    def rotate(self, by: str, key: dict[str, Any], **more: Any) -> httpx.Response:
        body = {"grace_period_seconds": 0, **more}
        return self.ask(by, "POST", f"/{key['id']}/rotations", json=body)

    def use(self, secret: str) -> httpx.Response:
        return self.server.request("GET", "/auth/whoami", headers={"X-API-Key": secret})

    def shown(self, key: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("owner", "GET", f"/{key['id']}").json()["api_key"]
        return answer

    def ask(self, by: str, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = self.sessions[by] | arguments.pop("headers", {})
        return self.server.request(method, f"/auth/api-keys{path}", headers=headers, **arguments)


@pytest.fixture
def team(server: Server, tenant: Tenant) -> Team:
    return Team(server, tenant)


# Secrets


@pytest.mark.parametrize("demoted", ["admin", "owner"])
def test_403_a_demoted_creator_gets_no_secret_and_lifts_nothing(team: Team, demoted: str) -> None:
    key = team.make(demoted, expires_at=FAR_OFF)
    team.become(demoted, "member")
    assert_error(team.rotate(demoted, key), 403, "forbidden", "path/id")
    for changes in ({"expires_at": None}, {"expires_at": FARTHER}):
        answer = team.change(demoted, key, **changes)
        assert_error(answer, 403, "forbidden", "body/expires_at", "path/id")
    # Restricting it further requires only to be its creator.
    assert team.change(demoted, key, expires_at="2997-01-01T00:00:00Z").is_success
    assert team.change(demoted, key, name="Another name").is_success
    assert team.change(demoted, key, enabled=False).is_success
    assert_error(team.change(demoted, key, enabled=True), 403, "forbidden", "path/id")
    assert team.ask(demoted, "DELETE", f"/{key['id']}").status_code == 204


def test_201_a_demoted_creator_gets_a_secret_of_a_key_without_api_rights(team: Team) -> None:
    """A role is a ceiling: what is not reached of it is no right that could be gained."""
    key = team.make("admin", scopes="events:*")
    team.become("admin", "member")
    assert team.rotate("admin", key).status_code == 201
    # With all scopes its role would let it make keys of an admin.
    answer = team.change("admin", key, scopes="*")
    assert_error(answer, 403, "forbidden", "body/scopes", "path/id")
    # What was scoped by an admin stays so, also within a member's rights.
    answer = team.change("admin", key, scopes="*", role="member")
    assert_error(answer, 403, "forbidden", "body/scopes")


def test_403_a_member_gets_no_secret_of_a_key_whose_scopes_an_owner_widened(team: Team) -> None:
    key = team.make("member", scopes="events:read")
    assert team.rotate("member", key).status_code == 201
    assert team.change("owner", key, scopes="*").is_success
    assert team.shown(key)["restricted_by"] == {"secret": "owner"}
    assert_error(team.rotate("member", key), 403, "forbidden", "path/id")
    assert team.rotate("admin", key).status_code == 201
    # It may still be ended by its maker.
    assert team.ask("member", "DELETE", f"/{key['id']}").status_code == 204


def test_201_a_member_gets_a_secret_of_their_key_that_an_owner_narrowed(team: Team) -> None:
    key = team.make("member", scopes="events:*")
    assert team.change("owner", key, scopes="events:read").is_success
    assert team.rotate("member", key).status_code == 201


def test_403_a_rotation_lifts_no_expiry_that_a_higher_role_set(team: Team) -> None:
    key = team.make("member")
    assert team.change("owner", key, expires_at=FAR_OFF).is_success
    for expires_at in (None, FARTHER):
        answer = team.rotate("member", key, expires_at=expires_at)
        assert_error(answer, 403, "forbidden", "body/expires_at")
    assert team.rotate("member", key).status_code == 201
    assert team.rotate("owner", key, expires_at=None).status_code == 201


def test_403_a_change_lifts_no_expiry_that_a_higher_role_gave_a_pending_secret(team: Team) -> None:
    key = team.make("member")
    secret = team.rotate("owner", key, expires_at=FAR_OFF).json()["key"]
    # The key itself never expires, so for it this is no change.
    for expires_at in (None, FARTHER):
        answer = team.change("member", key, expires_at=expires_at)
        assert_error(answer, 403, "forbidden", "body/expires_at")
    assert team.use(secret).json()["expires_at"] == FAR_OFF
    # It is used, and the key's own.
    assert team.shown(key)["restricted_by"] == {"expires_at": "owner"}
    answer = team.change("member", key, expires_at=None)
    assert_error(answer, 403, "forbidden", "body/expires_at")
    assert team.change("owner", key, expires_at=None).is_success


def test_the_role_that_set_a_pending_expiry_moves_to_the_key(team: Team) -> None:
    key = team.make("member")
    assert team.rotate("owner", key, expires_at=FARTHER).is_success
    assert team.change("member", key, expires_at=FAR_OFF).is_success
    assert team.shown(key)["restricted_by"] == {"expires_at": "owner"}
    answer = team.change("member", key, expires_at=None)
    assert_error(answer, 403, "forbidden", "body/expires_at")


def test_403_a_replay_shows_no_secret_of_a_key_that_is_beyond_the_caller_now(team: Team) -> None:
    headers = {"Idempotency-Key": "a-create-that-is-sent-again"}
    first = team.create("admin", headers)
    assert first.status_code == 201
    again = team.create("admin", headers)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    team.become("admin", "member")
    refused = team.create("admin", headers)
    assert_error(refused, 403, "forbidden", "path/id")
    assert first.json()["key"] not in refused.text
    team.become("admin", "admin")
    assert team.create("admin", headers).json() == first.json()


def test_403_a_role_that_gives_nothing_gives_nothing_for_own_keys(team: Team) -> None:
    key = team.make("member")
    team.become("member", "viewer")
    assert_error(team.rotate("member", key), 403, "forbidden")
    assert_error(team.change("member", key, name="Mine"), 403, "forbidden")
    assert_error(team.ask("member", "DELETE", f"/{key['id']}"), 403, "forbidden")


# Restrictions


@pytest.mark.parametrize("rule", RULES)
def test_only_an_equal_or_higher_role_lifts_a_restriction(team: Team, rule: str) -> None:
    restricted, lifted = RULES[rule]
    key = team.make("member")
    assert team.change("admin", key, **{rule: restricted}).is_success
    assert team.shown(key)["restricted_by"][rule] == "admin"
    location = f"body/{rule}"
    assert_error(team.change("member", key, **{rule: lifted}), 403, "forbidden", location)
    assert team.shown(key)[rule] == restricted
    answer = team.change("admin", key, **{rule: lifted})
    assert answer.is_success, answer.text
    assert answer.json()["api_key"][rule] == lifted


@pytest.mark.parametrize("rule", RULES)
def test_a_lower_role_s_restriction_does_not_release_a_higher_one_s(team: Team, rule: str) -> None:
    restricted, lifted = RULES[rule]
    further = {
        "scopes": "events:read",
        "enabled": False,
        "expires_at": "2997-01-01T00:00:00Z",
        "allowed_ips": ["192.0.2.0/28"],
        "rate_limit": {**RATE, "requests": 1},
    }[rule]
    key = team.make("member")
    assert team.change("owner", key, **{rule: restricted}).is_success
    assert team.change("member", key, **{rule: further}).is_success
    assert team.shown(key)["restricted_by"][rule] == "owner"
    answer = team.change("member", key, **{rule: lifted})
    assert_error(answer, 403, "forbidden", f"body/{rule}")
    assert_error(team.change("admin", key, **{rule: lifted}), 403, "forbidden", f"body/{rule}")


@pytest.mark.parametrize("rule", RULES)
def test_200_a_member_lifts_their_own_restriction(team: Team, rule: str) -> None:
    restricted, lifted = RULES[rule]
    key = team.make("member", **({} if rule == "enabled" else {rule: restricted}))
    if rule == "enabled":
        team.change("member", key, enabled=False)
    assert team.shown(key)["restricted_by"] == {rule: "member"}
    assert team.change("member", key, **{rule: lifted}).is_success


def test_a_restriction_that_is_lifted_altogether_is_forgotten(team: Team) -> None:
    key = team.make("member")
    team.change("owner", key, expires_at=FAR_OFF, scopes="events:read")
    assert team.shown(key)["restricted_by"] == {"scopes": "owner", "expires_at": "owner"}
    team.change("owner", key, expires_at=None)
    assert team.shown(key)["restricted_by"] == {"scopes": "owner"}
    assert team.change("member", key, expires_at=FAR_OFF).is_success
    assert team.change("member", key, expires_at=None).is_success


# Roles


def test_a_key_has_the_role_of_its_creator(team: Team) -> None:
    for role in ("owner", "admin", "member"):
        assert team.shown(team.make(role))["role"] == role
    made = team.make("owner", role="member")
    assert team.shown(made)["role"] == "member"
    key = {"X-API-Key": made["key"]}
    answer = team.server.request("GET", "/audit-log", headers=key)
    assert_error(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("by", "role"), [("member", "admin"), ("member", "owner"), ("admin", "owner")]
)
def test_403_a_caller_creates_no_key_with_a_higher_role(team: Team, by: str, role: str) -> None:
    body = {"name": "Key", "org_id": team.tenant.org_id, "env_id": team.tenant.env_id}
    answer = team.ask(by, "POST", "", json=body | {"role": role, "scopes": "events:read"})
    assert_error(answer, 403, "forbidden", "body/role")
    key = team.make(by, scopes="events:read")
    assert_error(team.change(by, key, role=role), 403, "forbidden", "body/role")


def test_403_a_key_creates_no_key_with_a_higher_role(team: Team) -> None:
    made = team.make("owner", role="member", scopes="*")
    body = {"name": "Key", "org_id": team.tenant.org_id, "env_id": team.tenant.env_id}
    answer = team.server.request(
        "POST",
        "/auth/api-keys",
        json=body | {"role": "owner", "scopes": "events:read"},
        headers={"X-API-Key": made["key"]},
    )
    assert_error(answer, 403, "insufficient_scope", "body/role")


def test_changing_scopes_leaves_the_role(team: Team) -> None:
    key = team.make("member", scopes="audit-log:read api-keys:read")
    for scopes in ("audit-log:read", "*"):
        assert team.change("owner", key, scopes=scopes).is_success
        assert team.shown(key)["role"] == "member"
    answer = team.server.request("GET", "/audit-log", headers={"X-API-Key": key["key"]})
    assert_error(answer, 403, "forbidden")


def test_a_role_is_raised_on_request_and_recorded(team: Team) -> None:
    key = team.make("member", scopes="audit-log:read")
    assert team.change("owner", key, role="owner").is_success
    assert team.server.request("GET", "/audit-log", headers={"X-API-Key": key["key"]}).is_success
    # Its maker has no such rights, and gets none of them.
    assert_error(team.rotate("member", key), 403, "forbidden", "path/id")
    (entry,) = team.server.request(
        "GET",
        "/audit-log",
        params={"resource_id": key["id"], "action": "api_key.updated"},
        headers=team.sessions["owner"],
    ).json()["audit_log"]
    assert entry["details"]["changes"]["role"] == {"old": "member", "new": "owner"}
    assert team.change("member", key, role="member").is_success
    assert team.rotate("member", key).status_code == 201


def test_400_an_unknown_role(team: Team) -> None:
    key = team.make("owner")
    assert_error(team.change("owner", key, role="root"), 400, "bad_request", "body/role")
