"""Each tenant is a world of its own: data, clock, faults, requests and identifiers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support import NO_TLS, assert_error
from support.sandboxes import START, Sandbox, World


@pytest.fixture
def tenants(world: Sandbox) -> Iterator[Sandbox]:
    """The sandbox, without tenants before and after."""
    yield world
    for name in world.do("GET", "/tenants")["tenants"]:
        world.do("DELETE", f"/tenants/{name}")


def test_its_urls_have_its_name(tenants: Sandbox) -> None:
    made = tenants.tenant("gw0")
    origin = tenants.facts["base_url"].removesuffix("/v1")
    assert made.facts["base_url"] == f"{origin}/tenants/gw0/v1"
    assert made.facts["control_url"] == f"{origin}/tenants/gw0/_sandbox"
    assert made.do("GET", "/facts") == made.facts
    assert tenants.do("GET", "/tenants") == {"tenants": ["gw0"]}


def test_it_has_what_the_sandbox_has_with_other_identifiers(tenants: Sandbox) -> None:
    made, other = tenants.tenant("a"), tenants.tenant("b")
    assert made.facts.keys() == tenants.facts.keys()
    for name in ("org_id", "env_id", "user_id", "key_id", "key", "session_token", "auth_secret"):
        assert len({world.facts[name] for world in (tenants, made, other)}) == 3
    for name in ("active", "disabled", "expired", "revoked", "rate_limited"):
        codes = {world.code(world.facts["keys"][name]["key"]) for world in (tenants, made, other)}
        assert len(codes) == 1


def test_its_credentials_and_resources_are_unknown_elsewhere(tenants: Sandbox) -> None:
    made = tenants.tenant("gw0")
    refused = tenants.call("GET", "/auth/whoami", headers=made.key)
    assert_error(refused, 401, "unauthorized")
    refused = made.call("GET", "/auth/whoami", headers=tenants.owner)
    assert_error(refused, 401, "unauthorized")
    assert made.code(tenants.facts["keys"]["active"]["key"]) == "NOT_FOUND"
    assert tenants.call("GET", f"/auth/api-keys/{made.facts['key_id']}").status_code == 404
    assert made.call("GET", f"/auth/api-keys/{made.facts['key_id']}").status_code == 200


def test_its_clock_faults_and_requests_are_its_own(tenants: Sandbox) -> None:
    made, other = tenants.tenant("a"), tenants.tenant("b", clock="2030-06-01T12:00:00Z")
    assert other.facts["now"] == "2030-06-01T12:00:00.000Z"
    made.advance(60)
    made.fail("getHealth", status=503, times=5)
    assert [world.call("GET", "/health").status_code for world in (tenants, made, other)] == [
        200,
        503,
        200,
    ]
    clocks = [world.do("GET", "/clock")["now"] for world in (tenants, made, other)]
    assert clocks == [START, "2026-01-01T00:01:00.000Z", other.facts["now"]]
    tenants.call("GET", "/auth/whoami")
    assert [each["operation"] for each in made.requests()] == ["getHealth"]
    assert [each["operation"] for each in tenants.requests()] == ["getHealth", "whoami"]


def test_its_identifiers_follow_from_its_name_alone(tenants: Sandbox) -> None:
    first = tenants.tenant("gw0")
    made = first.create()
    tenants.create()
    tenants.do("DELETE", "/tenants/gw0")
    tenants.tenant("gw1").create()
    again = tenants.tenant("gw0")
    assert again.facts == first.facts
    assert again.create() == made


def test_its_reset_leaves_the_others_alone(tenants: Sandbox) -> None:
    made, other = tenants.tenant("a"), tenants.tenant("b")
    for world in (tenants, made, other):
        world.advance(60)
        world.fail("whoami", status=503)
        world.create(name="Mine")
    made.reset()
    for world in (tenants, other):
        assert world.do("GET", "/clock")["now"] == "2026-01-01T00:01:00.000Z"
        assert len(world.do("GET", "/faults")["faults"]) == 1
        assert len(world.requests()) == 1
        assert world.call("GET", "/auth/api-keys?limit=1").json()["api_keys"][0]["name"] == "Mine"
    assert made.requests() == []
    tenants.reset()
    assert other.do("GET", "/clock")["now"] == "2026-01-01T00:01:00.000Z"
    # The sandbox's own reset leaves its tenants there.
    assert tenants.do("GET", "/tenants") == {"tenants": ["a", "b"]}


def test_parallel_tests_do_not_see_one_another(tenants: Sandbox) -> None:
    names = ["gw0", "gw1", "gw2", "gw3"]

    def life(name: str) -> list[str]:
        """A test of a worker, as pytest-xdist's do: a world of its own, and its reset."""
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            world = World(World(tenants.facts, client).tenant(name).facts, client)
            found = []
            for _ in range(4):
                world.reset()
                made = world.create(expires_at="2026-01-01T00:01:00Z")
                found += [made["id"], made["key"], world.code(made["key"])]
                world.advance(60)
                found.append(world.code(made["key"]))
                assert len(world.requests()) == 3
        assert found[:4] * 4 == found
        return found

    with ThreadPoolExecutor(len(names)) as pool:
        together = list(pool.map(life, names))
    assert len({ids[0] for ids in together}) == len(names)
    assert [codes[2:4] for codes in together] == [["VALID", "EXPIRED"]] * len(names)
    # One at a time, the identifiers are the same.
    for name in names:
        tenants.do("DELETE", f"/tenants/{name}")
    assert life("gw2") == together[2]


@pytest.mark.parametrize("name", ["sandbox", "own", "lock", "v1", "_", "0", "a" * 32])
def test_any_name_of_its_form_is_taken(tenants: Sandbox, name: str) -> None:
    if name == "_":
        name = "a_"
    assert tenants.tenant(name).call("GET", "/auth/whoami").status_code == 200


@pytest.mark.parametrize("name", ["", "A", "-a", "a/b", "a b", "é", "a" * 33, 7, None])
def test_other_names_are_refused(tenants: Sandbox, name: object) -> None:
    refused = tenants.control("POST", "/tenants", {"name": name})
    assert_error(refused, 400, "bad_request", "body/name")
    assert tenants.do("GET", "/tenants") == {"tenants": []}


def test_a_name_is_taken_once_until_it_is_deleted(tenants: Sandbox) -> None:
    made = tenants.tenant("gw0")
    assert_error(tenants.control("POST", "/tenants", {"name": "gw0"}), 409, "conflict")
    made.create(name="Gone")
    assert tenants.control("DELETE", "/tenants/gw0").status_code == 204
    assert_error(tenants.control("DELETE", "/tenants/gw0"), 404, "not_found")
    assert made.call("GET", "/health").status_code == 404
    again = tenants.tenant("gw0")
    names = [key["name"] for key in again.call("GET", "/auth/api-keys").json()["api_keys"]]
    assert "Gone" not in names


def test_tenants_are_made_at_the_sandboxs_own_control_url(tenants: Sandbox) -> None:
    made = tenants.tenant("gw0")
    for method, path, body in (
        ("GET", "/tenants", None),
        ("POST", "/tenants", {"name": "gw1"}),
        ("DELETE", "/tenants/gw0", None),
    ):
        assert_error(made.control(method, path, body), 404, "not_found")


def test_a_tenant_that_does_not_exist_has_no_api(tenants: Sandbox) -> None:
    origin = tenants.facts["base_url"].removesuffix("/v1")
    for path in ("/tenants/none/v1/health", "/tenants/none/_sandbox/facts", "/tenants/none"):
        assert_error(tenants.client.get(origin + path), 404, "not_found")


def test_a_request_that_a_fault_delays_ends_with_its_deleted_tenant(tenants: Sandbox) -> None:
    made = tenants.tenant("gw0")
    made.fail("whoami", delay_ms=500)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(httpx.get, made.facts["base_url"] + "/auth/whoami", timeout=30)
        until_recorded(made)
        tenants.do("DELETE", "/tenants/gw0")
        with pytest.raises(httpx.RemoteProtocolError):
            slow.result()


def until_recorded(world: World) -> None:
    while not world.requests():
        pass


def test_there_are_64_at_most(tenants: Sandbox) -> None:
    def create(number: int) -> int:
        answer = tenants.control("POST", "/tenants", {"name": f"gw{number}"})
        return answer.status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(create, range(66)))
    assert sorted(statuses) == [201] * 64 + [409] * 2
    tenants.do("DELETE", f"/tenants/{tenants.do('GET', '/tenants')['tenants'][0]}")
    assert create(99) == 201


def test_a_tenants_documents_and_redirects_lead_to_the_tenant(world: Sandbox) -> None:
    tenant = world.tenant("documented")
    base, control = tenant.facts["base_url"], tenant.facts["control_url"]
    for url, server in ((base, base), (control, control)):
        served = world.client.get(f"{url}/openapi.json").json()
        assert served["servers"][0]["url"] == server
    root = world.client.get(base.removesuffix("v1"))
    assert root.status_code == 302
    assert root.next_request is not None
    target = str(root.next_request.url)
    assert world.client.get(target).status_code == 200
    assert target.startswith(base)
