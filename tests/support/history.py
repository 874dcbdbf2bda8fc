"""A database in which everything has happened that the audit log tells of the state, by the API."""

from dataclasses import dataclass
from typing import Any

from support import Database, Server, Tenant, serving
from support.backups import edit, init, verified


@dataclass
class World:
    """A database in which everything happened that the log tells of, and the ids of it."""

    database: Database
    tenant: Tenant
    ids: dict[str, str]

    def faults(self) -> list[tuple[str, str, str]]:
        """What `--state` finds: kind, id and field of each."""
        found = verified(self.database, "--state")
        assert found["ok"] is not bool(found["state"]["faults"])
        return [(each["kind"], each["id"], each["field"]) for each in found["state"]["faults"]]

    def edit(self, *statements: str) -> None:
        """Change the database by SQL, with the ids of the world by their names."""
        edit(self.database.path, *(statement.format(**self.ids) for statement in statements))


def begin(database: Database) -> World:
    """Make the database: keys of every state, rotations, environments and members."""
    tenant = init(database)
    with serving(
        database, HOOKSTREAM_SIGN_UP="open", HOOKSTREAM_ADD_UNVERIFIED_MEMBERS="on"
    ) as server:
        ids = _happen(server, tenant)
    return World(database, tenant, ids | {"org": tenant.org_id, "env": tenant.env_id})


#: What the keys have beside the defaults.
RULES: dict[str, dict[str, Any]] = {
    "rich": {
        "allowed_ips": ["192.0.2.0/24"],
        "expires_at": "2999-01-01T00:00:00Z",
        "rate_limit": {"requests": 10, "window_seconds": 60},
        "external_id": "x",
        "metadata": {"plan": "free"},
        "scopes": "events:read",
    }
}


def _happen(server: Server, tenant: Tenant) -> dict[str, str]:
    ids, database = {}, server.database
    owner = {"Authorization": f"Bearer {database.add_session(tenant.user_id)}"}
    member = _sign_up(server)

    def ask(method: str, path: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
        done = server.request(method, path, headers=headers or owner, json=body or None)
        assert done.is_success, done.text
        return done.json() if done.content else None

    place = f"/organizations/{tenant.org_id}"
    added = ask("POST", f"{place}/members", email="member@example.com", role="admin")
    ids["member"] = added["member"]["id"]
    ask("PATCH", f"{place}/members/{ids['member']}", role="member")
    ids["user"] = member
    for name in ("env_2", "env_gone"):
        slug = name.replace("_", "-")
        made = ask("POST", "/environments", org_id=tenant.org_id, name=name, slug=slug, mode="test")
        ids[name] = made["environment"]["id"]
    ask("PATCH", f"/environments/{ids['env_2']}", name="Second", slug="second")
    where: dict[str, Any] = {"org_id": tenant.org_id, "env_id": tenant.env_id}
    for name in ("rich", "revoked", "rotated", "pending", "cancelled"):
        made = ask("POST", "/auth/api-keys", name=name, **(where | RULES.get(name, {})))
        ids[name] = made["id"]
    ask("PATCH", f"/auth/api-keys/{ids['rich']}", name="Rich", enabled=False)
    ask("DELETE", f"/auth/api-keys/{ids['revoked']}?reason=keyCompromise")
    gone = ask("POST", "/auth/api-keys", name="g", org_id=tenant.org_id, env_id=ids["env_gone"])
    ids["key_gone"] = gone["id"]
    ask("DELETE", f"/environments/{ids['env_gone']}")
    for name in ("rotated", "pending", "cancelled"):
        made = ask(
            "POST", f"/auth/api-keys/{ids[name]}/rotations", grace_period_seconds=3600,
            expires_at="2998-01-01T00:00:00Z",
        )  # fmt: skip
        ids[f"rotation_{name}"] = made["rotation"]["id"]
        if name == "rotated":
            ask("GET", "/auth/whoami", {"X-API-Key": made["key"]})
    parent = ask("POST", "/auth/api-keys", name="parent", **where)
    child = ask("POST", "/auth/api-keys", {"X-API-Key": parent["key"]}, name="child", **where)
    ids |= {"parent": parent["id"], "child": child["id"]}
    ask("DELETE", f"/auth/api-keys/{ids['parent']}?descendants=true")
    # The expiry is what it was; that it is given again makes the pending secret follow the key.
    ask("PATCH", f"/auth/api-keys/{ids['pending']}", expires_at=None)
    path = f"/auth/api-keys/{ids['cancelled']}/rotations"
    ask("POST", path, grace_period_seconds=0)
    return ids


def _sign_up(server: Server) -> str:
    body = {"name": "M", "email": "member@example.com", "password": "correct horse battery"}
    done = server.request("POST", "/auth/sign-up/email", json=body)
    assert done.is_success, done.text
    user_id: str = done.json()["user"]["id"]
    return user_id
