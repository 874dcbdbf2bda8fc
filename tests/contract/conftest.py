"""A server of two workers whose database has the ids of the document's own examples."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from contract.document import strict
from contract.ground import Ground
from support import Database, Server, Tenant, serving, signed

from hookstream_keys.contract import roles, spec

HERE = Path(__file__).parent

#: What no key, or no session, may do is left out of the run, which would be
#: told so each time, which Schemathesis rightly warns of as what it could not test.
NO_KEY_MAY = {
    operation.id
    for operation in spec.operations(spec.document())
    if operation.required_scope and not roles.key_scopes().allow(operation.required_scope)
} | {"createOrganization"}
#: Signing out would be the end of a run that is authenticated by a session.
NO_SESSION_MAY = {"authorize", "signOut"}
LEFT_OUT = {
    "apiKeyHeader": NO_KEY_MAY,
    "bearerToken": NO_SESSION_MAY,
    "sessionCookie": NO_SESSION_MAY,
}


@dataclass(frozen=True)
class Run:
    """How a run of Schemathesis ended."""

    exit_status: int
    output: str
    #: Counted by the server, which logs a line for each.
    requests: int
    #: Those of them that issued a key.
    issued: int


@pytest.fixture
def contract(tmp_path: Path) -> Iterator[tuple[Server, Tenant]]:
    """A fresh database for every run: ids in answers would make two runs differ."""
    database = Database(tmp_path / "hookstream.db")
    first = database.init()
    example = spec.document()["components"]["examples"]["CreateProductionKey"]
    org_id, env_id = example["value"]["org_id"], example["value"]["env_id"]
    database.add_organization(org_id)
    database.add_environment(org_id, env_id=env_id)
    # Of this organization first, which is the one that is meant where none is named.
    database.execute('delete from "member"')
    database.add_member(org_id, first.user_id, "owner")
    # The first key belongs to another environment; move it to the examples'.
    database.execute("update api_key set org_id = ?, env_id = ?", (org_id, env_id))
    tenant = Tenant(org_id, env_id, first.user_id, first.email, first.password, first.key)
    with serving(
        database,
        workers=2,
        HOOKSTREAM_SIGN_UP="open",
        # A limit that shows in every response, and that no run reaches.
        HOOKSTREAM_RATE_LIMIT="1000000000",
    ) as server:
        yield server, tenant


def _ground(server: Server, tenant: Tenant) -> Ground:
    database, org_id = server.database, tenant.org_id
    key_id = database.execute("select id from api_key")[0][0]
    members = [database.add_user() for _ in range(50)]
    for user_id in members:
        database.add_member(org_id, user_id)
    return Ground(
        org_id=org_id,
        env_id=tenant.env_id,
        key_id=key_id,
        email=tenant.email,
        password=tenant.password,
        emails=[f"{database.add_user()}@example.com" for _ in range(50)],
        members=members,
        rotations=[_rotation(server, tenant) for _ in range(20)],
    )


def _rotation(server: Server, tenant: Tenant) -> tuple[str, str]:
    """Begin a rotation of a new key: the key's id, and the rotation's."""
    body = {"name": "rotated", "org_id": tenant.org_id, "env_id": tenant.env_id}
    headers = {"X-API-Key": tenant.key}
    issued = server.request("POST", "/auth/api-keys", json=body, headers=headers)
    key_id = issued.json()["id"]
    begun = server.request(
        "POST",
        f"/auth/api-keys/{key_id}/rotations",
        json={"grace_period_seconds": 60},
        headers=headers,
    )
    return key_id, begun.json()["rotation"]["id"]


@pytest.fixture
def schemathesis(contract: tuple[Server, Tenant], tmp_path: Path) -> Callable[..., Run]:
    """Run Schemathesis, authenticated by one security scheme of the document."""
    server, tenant = contract
    ground = _ground(server, tenant)
    session = server.database.add_session(tenant.user_id)
    credentials = {
        "apiKeyHeader": f'api_key = "{tenant.key}"',
        "bearerToken": f'bearer = "{session}"',
        "sessionCookie": f'api_key = "{quote(signed(session), safe="")}"',
    }

    document = tmp_path / "openapi.json"
    document.write_text(json.dumps(strict(spec.document())), encoding="utf-8")

    def run(scheme: str, *arguments: str, timeout: float = 1800) -> Run:
        config = tmp_path / "schemathesis.toml"
        config.write_text(
            # A cookie changes something only from a trusted page.
            f'headers = {{ Origin = "{server.origin}" }}\n'
            + (HERE / "schemathesis.toml").read_text(encoding="utf-8")
            + f"\n[auth.openapi.{scheme}]\n{credentials[scheme]}\n",
            encoding="utf-8",
        )
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                f"--config-file={config}",
                "run",
                str(document),
                f"--url={server.url}",
                *(f"--exclude-operation-id={name}" for name in sorted(LEFT_OUT[scheme])),
                "--no-color",
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE.parent),
                **ground.variable(),
            },
        )
        log = server.log.read_text(encoding="utf-8")
        return Run(
            exit_status=done.returncode,
            output=done.stdout + done.stderr,
            requests=log.count("request_id="),
            issued=log.count("status=201"),
        )

    return run
