"""A sandbox starts ready, refuses what is real, and keeps to itself."""

import hashlib
import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import (
    COMMAND,
    NO_TLS,
    Database,
    assert_error,
    environment,
    run,
    serving,
    without_settings,
)
from support.sandboxes import Sandbox, World, facts_of, sandbox, started

#: How many fresh sandboxes are asked at once after their line; the whole proof has 100.
STARTS = int(os.environ.get("KIT_STARTS", "6"))


def start_fails(*options: str, **settings: str) -> str:
    """What a sandbox that does not start says."""
    ended = subprocess.run(
        [COMMAND, "sandbox", *options],
        env=without_settings() | settings,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert ended.stdout == ""
    return ended.stderr


def test_it_prints_one_line_of_json_with_all_that_a_test_begins_with() -> None:
    with sandbox() as world:
        facts = world.facts
        assert facts == world.do("GET", "/facts")
        assert facts["base_url"].startswith("http://127.0.0.1:")
        assert facts["base_url"].endswith("/v1")
        assert facts["control_url"].endswith("/_sandbox")
        assert world.code(facts["key"]) == "VALID"
        who = world.call("GET", "/auth/whoami").json()
        assert {name: who[name] for name in ("org_id", "env_id", "key_id", "scopes")} == {
            **{name: facts[name] for name in ("org_id", "env_id", "key_id")},
            "scopes": "*",
        }
        world.process.terminate()
        assert world.process.stdout is not None
        assert world.process.stdout.read() == ""


def test_without_json_it_prints_what_a_person_begins_with() -> None:
    with subprocess.Popen(
        [COMMAND, "sandbox"],
        env=without_settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        # The last line says how to stop it.
        while not (lines and "Ctrl-C" in lines[-1]):
            lines.append(process.stdout.readline())
            assert lines[-1], lines
        told = dict(line.strip().split(maxsplit=1) for line in lines if line.count("  "))
        with httpx.Client(trust_env=False, verify=NO_TLS) as client:
            facts = client.get(f"{told['control_url']}/facts").json()
            for name in ("swagger_ui", "reference"):
                page = client.get(told[name]).raise_for_status()
                assert page.headers["Content-Type"].startswith("text/html")
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, ("", ""))
    names = ("base_url", "org_id", "env_id", "key", "email", "password", "session_token")
    assert {name: told[name] for name in names} == {name: facts[name] for name in names}
    # A key for each state, and the new secret of each that is rotated.
    for state, values in facts["keys"].items():
        assert told[state] == values["key"]
        assert told.get(f"{state}.new_key") == values.get("new_key")


def test_the_first_request_after_the_line_succeeds_every_time() -> None:
    def first(_: int) -> int:
        with started() as process:
            facts = facts_of(process)
            with httpx.Client(timeout=30, trust_env=False, verify=NO_TLS) as client:
                return World(facts, client).call("POST", "/auth/api-keys", body(facts)).status_code

    with ThreadPoolExecutor(2) as pool:
        statuses = list(pool.map(first, range(STARTS)))
    assert statuses == [201] * STARTS
    print(f"{STARTS} of {STARTS} first requests succeeded")


def body(facts: dict[str, Any]) -> dict[str, Any]:
    return {"name": "First", "org_id": facts["org_id"], "env_id": facts["env_id"]}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104 - refused
def test_an_address_that_others_can_reach_is_refused(host: str) -> None:
    assert "loopback" in start_fails("--host", host)


@pytest.mark.parametrize("host", ["localhost", "::1", "127.0.0.2"])
def test_loopback_addresses_are_taken(host: str) -> None:
    if host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    with sandbox("--host", host) as world:
        assert world.call("GET", "/auth/whoami").status_code == 200


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HOOKSTREAM_DATABASE", "sqlite:///real.db"),
        ("BETTER_AUTH_SECRET", "a-real-secret-0123456789-0123456789"),
        ("BETTER_AUTH_SECRETS", "1:a-real-secret-0123456789-0123456789"),
    ],
)
def test_a_real_database_or_secret_is_refused(variable: str, value: str) -> None:
    told = start_fails(**{variable: value})
    assert variable in told
    assert value not in told


def test_a_variable_that_is_no_setting_is_refused() -> None:
    assert "did you mean HOOKSTREAM_SIGN_UP?" in start_fails(HOOKSTREAM_SIGNUP="open")


@pytest.mark.parametrize(
    "options",
    [
        ("--clock", "yesterday"),
        ("--clock", "2026-01-01"),
        ("--clock", "2026-01-01T00:00:00"),
        ("--clock", "2000-12-31T00:00:00Z"),
        ("--clock", "2200-01-01T00:00:00Z"),
        ("--seed", "-1"),
        ("--seed", "one"),
        ("--port", "65536"),
        ("--directory", "/nowhere"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: tuple[str, str]) -> None:
    assert options[0] in start_fails(*options)


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        told = start_fails("--port", port)
    assert (told.startswith("hookstream-keys: "), told.count("\n")) == (True, 1)
    assert port in told


def test_only_the_sandbox_has_the_control_api(server_database: Database) -> None:
    with (
        serving(server_database) as server,
        httpx.Client(trust_env=False, verify=NO_TLS) as client,
    ):
        for path in ("/_sandbox/facts", "/_sandbox/reset", "/v1/_sandbox/facts", "/_sandbox"):
            for method in ("GET", "POST", "DELETE"):
                answer = client.request(method, server.origin + path)
                assert_error(answer, 404, "not_found")


def test_a_servers_commands_refuse_a_sandboxs_database(tmp_path: Path) -> None:
    with sandbox("--directory", str(tmp_path)):
        (path,) = tmp_path.glob("*/own/sandbox.db")
        before = Database(path).dump()
        for command in (
            ("serve", "--port", "0"),
            ("init", "--json"),
            ("keys", "list", "--org", "org_1"),
            ("keys", "create", "--name", "k", "--org", "org_1", "--env", "env_1"),
        ):
            refused = run(*command, database=path)
            assert refused.returncode != 0
            assert "is a sandbox's" in refused.stderr, (command, refused.stderr)
            assert refused.stdout == ""
        assert Database(path).dump() == before


def all_keys(facts: dict[str, Any]) -> list[str]:
    """Every secret of a key that a sandbox begins with."""
    keys = [facts["key"], facts["other_tenant"]["key"]]
    for each in facts["keys"].values():
        keys += [each[name] for name in ("key", "new_key") if name in each]
    return keys


def test_a_server_takes_a_sandboxs_keys_for_unknown_ones_and_stores_nothing_of_them(
    database: Database,
) -> None:
    with sandbox() as world:
        sandbox_keys = all_keys(world.facts)
    tenant = database.init()
    with serving(database) as server:
        known = {"X-API-Key": tenant.key}
        for key in sandbox_keys:
            outcome = server.request(
                "POST", "/auth/api-keys/verify", json={"key": key}, headers=known
            )
            assert outcome.json() == {"valid": False, "code": "NOT_FOUND"}
            refused = server.request("GET", "/auth/whoami", headers={"X-API-Key": key})
            assert_error(refused, 401, "unauthorized")
        log = server.log
    dump = database.dump()
    for key in sandbox_keys:
        digest = hashlib.sha256(key.encode()).hexdigest()
        for text in (key, key[:12], digest, digest.upper()):
            assert text not in dump
        assert key not in log.read_text(encoding="utf-8")


def test_a_published_key_is_unknown_even_if_its_hash_is_in_the_database(
    database: Database,
) -> None:
    with sandbox() as world:
        key = world.facts["key"]
    tenant = database.init()
    # That is how the server stores its own keys.
    own = hashlib.sha256(tenant.key.encode()).digest()
    assert database.execute("select digest from api_key") == [(own,)]
    database.execute("update api_key set digest = ?", (hashlib.sha256(key.encode()).digest(),))
    session = database.add_session(tenant.user_id)
    with serving(database) as server:
        owner = {"Authorization": f"Bearer {session}"}
        outcome = server.request("POST", "/auth/api-keys/verify", json={"key": key}, headers=owner)
        assert outcome.json()["code"] == "NOT_FOUND"
        refused = server.request("GET", "/auth/whoami", headers={"X-API-Key": key})
        assert_error(refused, 401, "unauthorized")


def test_only_its_user_can_read_its_files(tmp_path: Path) -> None:
    with sandbox("--directory", str(tmp_path)):
        (directory,) = tmp_path.iterdir()
        assert directory.stat().st_mode & 0o777 == 0o700


def test_two_at_once_know_nothing_of_one_another(running_sandbox: Sandbox) -> None:
    with sandbox() as other:
        made = running_sandbox.create(name="Here")
        assert other.code(made["key"]) == "NOT_FOUND"
        other.advance(60)
        assert running_sandbox.do("GET", "/clock")["now"] == running_sandbox.facts["now"]


def test_every_environment_is_in_test_mode(world: Sandbox) -> None:
    place = {"org_id": world.facts["org_id"], "name": "E", "slug": "live-one", "mode": "live"}
    made = world.call("POST", "/environments", place, world.owner)
    assert made.status_code == 201, made.text
    assert made.json()["environment"]["mode"] == "test"
    body = world.body(env_id=made.json()["environment"]["id"])
    key = world.call("POST", "/auth/api-keys", body, world.owner).json()["key"]
    assert key.startswith("hs_test_")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/auth/api-keys/{key_id}", None),
        ("PATCH", "/auth/api-keys/{key_id}", {"enabled": False}),
        ("POST", "/auth/api-keys/{key_id}/rotations", {"grace_period_seconds": 0}),
        ("POST", "/auth/api-keys/revoke", {"key": "{key}"}),
        ("DELETE", "/environments/{env_id}", None),
        ("DELETE", "/organizations/{org_id}", None),
        ("DELETE", "/organizations/{org_id}/members/{member_id}", None),
        ("PATCH", "/organizations/{org_id}/members/{member_id}", {"role": "member"}),
        ("POST", "/auth/sign-out", {}),
    ],
)
def test_a_run_does_not_end_its_own_credentials(
    world: Sandbox, method: str, path: str, body: Any
) -> None:
    def filled(text: str) -> str:
        for name in ("key_id", "env_id", "org_id", "member_id", "key"):
            text = text.replace(f"{{{name}}}", world.facts[name])
        return text

    sent = None if body is None else json.loads(filled(json.dumps(body)))
    refused = world.call(method, filled(path), sent, world.owner)
    assert_error(refused, 403, "forbidden")
    for headers in (world.key, world.owner):
        assert world.call("GET", "/auth/whoami", headers=headers).status_code == 200


def test_it_starts_with_every_setting_of_a_real_server() -> None:
    with sandbox(HOOKSTREAM_ADD_UNVERIFIED_MEMBERS="off", HOOKSTREAM_SIGN_UP="closed") as world:
        path = f"/organizations/{world.facts['org_id']}/members"
        member = {"email": world.facts["users"]["member"]["email"], "role": "member"}
        assert_error(
            world.call("POST", path, member, world.owner), 409, "email_not_verified", "body/email"
        )
        sign_up = {"name": "U", "email": "u@example.com", "password": "long enough"}
        assert world.call("POST", "/auth/sign-up/email", sign_up, {}).status_code == 403


def test_settings_apply_but_those_that_only_a_server_has(tmp_path: Path) -> None:
    settings = environment(tmp_path / "none.db", HOOKSTREAM_MAX_BODY_BYTES="2000")
    kept = {name: value for name, value in settings.items() if name == "HOOKSTREAM_MAX_BODY_BYTES"}
    with sandbox(**kept) as world:
        assert world.call("POST", "/auth/api-keys", {"name": "x" * 3000}).status_code == 413
