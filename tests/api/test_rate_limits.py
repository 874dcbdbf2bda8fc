"""Limits: on the API, of a key, and on guessing passwords."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest
from support import ON_POSTGRESQL, SOON, Database, Server, Tenant, assert_error, serving, url_of
from support.results import result_of

from hookstream_keys.contract import spec
from hookstream_keys.domain.limits import Limit
from hookstream_keys.handlers.throttle import (
    ONE_ADDRESS,
    ONE_USER,
    RIGHT_FROM_ONE_ADDRESS,
    RIGHT_OF_ONE_USER,
)
from hookstream_keys.http.rate_limiting import REFUSAL_COST
from hookstream_keys.runtime.counters import open_counters
from hookstream_keys.store import open_store

LIMIT = 20
A_MINUTE = Limit(LIMIT, 60)
NOT_COUNTED = [
    operation
    for operation in spec.operations(spec.document())
    if not operation.rate_limited and not operation.verifies
]


@contextmanager
def limited(database: Database, workers: int = 2, trusted_proxies: str = "") -> Iterator[Server]:
    with serving(
        database,
        workers=workers,
        HOOKSTREAM_RATE_LIMIT=str(LIMIT),
        HOOKSTREAM_TRUSTED_PROXIES=trusted_proxies,
    ) as server:
        yield server


def left(answer: httpx.Response) -> int:
    assert answer.headers["ratelimit-limit"] == str(LIMIT)
    assert 0 <= int(answer.headers["ratelimit-reset"]) <= 60
    return int(answer.headers["ratelimit-remaining"])


class Spending:
    """Requests since some moment. Meanwhile, what was spent comes back, one every few seconds."""

    def __init__(self, limit: Limit = A_MINUTE) -> None:
        self._limit = limit
        self._begun = time.monotonic()

    def came_back(self) -> int:
        """As many as may have come back by now, at most."""
        seconds = time.monotonic() - self._begun
        return int(seconds * self._limit.requests / self._limit.seconds)

    def assert_spent(self, spent: int, answer: httpx.Response) -> None:
        """Hold what is left against what was spent."""
        assert LIMIT - spent <= left(answer) <= LIMIT - spent + self.came_back()


def assert_limited(answer: httpx.Response) -> None:
    assert_error(answer, 429, "rate_limited")
    assert left(answer) == 0
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def assert_names(refused: httpx.Response, whose: str, setting: str) -> None:
    """It says whose limit is exceeded, and how an operator raises it."""
    assert_error(refused, 429, "rate_limited")
    assert f" a minute {whose};" in refused.json()["error"]
    assert refused.json()["error"].endswith(f" raise {setting}.")


def until_refused(limit: Limit, ask: Callable[[int], httpx.Response]) -> httpx.Response:
    """Ask until it was too much, which it must be as soon as the limit is spent: the refusal."""
    spending = Spending(limit)
    number, answer = 0, ask(0)
    while answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
        number += 1
        answer = ask(number)
    assert_error(answer, 429, "rate_limited")
    assert limit.requests <= number <= limit.requests + spending.came_back()
    return answer


def spend_all(server: Server, caller: dict[str, str]) -> None:
    assert_limited(
        until_refused(A_MINUTE, lambda _: server.request("GET", "/auth/whoami", headers=caller))
    )


def session(server: Server, user: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.database.add_session(user)}"}


# The API


def test_an_organization_is_limited_over_all_workers_and_credentials(database: Database) -> None:
    tenant = database.init()
    with limited(database, workers=3) as server:
        callers = [
            {"X-API-Key": tenant.key},
            {"Authorization": f"Bearer {tenant.key}"},
            session(server, tenant.user_id),
        ]
        spending = Spending()
        with ThreadPoolExecutor(6) as pool:
            answers = list(
                pool.map(
                    lambda number: server.request(
                        "GET", "/auth/whoami", headers=callers[number % 3]
                    ),
                    range(LIMIT * 2),
                )
            )
        passed = [answer for answer in answers if answer.status_code == 200]
        assert LIMIT <= len(passed) <= LIMIT + spending.came_back()
        for answer in answers:
            if answer.status_code != 200:
                assert_limited(answer)
                assert_names(answer, "of this organization", "HOOKSTREAM_RATE_LIMIT")
        # Another organization is not touched, nor are unauthenticated clients.
        other = database.add_user()
        database.add_member(database.add_organization(), other)
        assert left(server.request("GET", "/auth/whoami", headers=session(server, other))) > 0
        assert server.request("GET", "/openapi.json").status_code == 200


def test_every_response_states_the_remaining_limit(database: Database) -> None:
    tenant = database.init()
    key = {"X-API-Key": tenant.key}
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    of_the_tenant: list[tuple[int, str, str, Any]] = [
        (200, "GET", "/auth/whoami", {}),
        (201, "POST", "/auth/api-keys", {"json": body}),
        (400, "POST", "/auth/api-keys", {"json": {}}),
        (404, "GET", "/auth/api-keys/ak_0", {}),
    ]
    # By their address; also where the credential has not been looked up yet.
    of_unauthenticated: list[tuple[int, str, str, Any]] = [
        (404, "GET", "/nowhere", {}),
        (405, "DELETE", "/auth/whoami", {}),
        (204, "OPTIONS", "/auth/whoami", {}),
        (413, "POST", "/auth/api-keys", {"content": "x" * 70_000, "headers": key}),
    ]
    with limited(database) as server:
        for caller, asked in ((key, of_the_tenant), ({}, of_unauthenticated)):
            spending = Spending()
            for spent, (status, method, path, more) in enumerate(asked, start=1):
                answer = server.request(method, path, **{"headers": caller, **more})
                assert answer.status_code == status
                spending.assert_spent(spent, answer)
        refused = server.request("GET", "/auth/whoami")
        assert refused.status_code == 401
        spending.assert_spent(4 + REFUSAL_COST, refused)


def test_health_is_not_counted(database: Database) -> None:
    tenant = database.init()
    key = {"X-API-Key": tenant.key}
    with limited(database, workers=1) as server:
        for _ in range(LIMIT + 5):
            for operation in NOT_COUNTED:
                answer = server.request(operation.method, operation.path, headers=key)
                assert answer.is_success
                # On PostgreSQL it would have to ask the database, which may be away.
                assert ON_POSTGRESQL or left(answer) == LIMIT
        spend_all(server, key)
        for operation in NOT_COUNTED:
            assert server.request(operation.method, operation.path, headers=key).is_success
    assert {operation.id for operation in NOT_COUNTED} == {"getHealth", "getReadiness"}


def ask_verification(server: Server, key: str, kind: str, entries: int = 1) -> httpx.Response:
    """Verify a key, which is also the caller's, in one of three ways."""
    headers = {"X-API-Key": key}
    if kind == "authorize":
        return server.request("GET", "/auth/authorize", headers=headers)
    path, body = f"/auth/api-keys/{kind}", {"key": key}
    json = body if kind == "verify" else {"requests": [body] * entries}
    return server.request("POST", path, json=json, headers=headers)


def test_verification_has_a_limit_of_its_own(database: Database) -> None:
    tenant = database.init()
    with serving(
        database,
        workers=2,
        HOOKSTREAM_RATE_LIMIT="1000",
        HOOKSTREAM_VERIFICATION_RATE_LIMIT=str(LIMIT),
    ) as server:
        spending, spent = Spending(), 0
        for kind, cost in (("verify", 1), ("authorize", 1), ("verify-batch", 9), ("verify", 1)):
            answer = ask_verification(server, tenant.key, kind, cost)
            assert answer.is_success
            spent += cost
            spending.assert_spent(spent, answer)
        # A batch that has no room is refused whole, and costs nothing.
        refused = ask_verification(server, tenant.key, "verify-batch", LIMIT)
        assert_error(refused, 429, "rate_limited")
        spending.assert_spent(spent, refused)
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        for kind in ("verify", "authorize", "verify-batch"):
            refused = until_refused_from(partial(ask_verification, server, tenant.key, kind))
            assert_limited(refused)
            assert_names(refused, "of this organization", "HOOKSTREAM_VERIFICATION_RATE_LIMIT")
        # Neither limit uses up the other, nor that of another organization.
        answer = server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key})
        assert answer.status_code == 200
        assert answer.headers["ratelimit-limit"] == "1000"
        assert int(answer.headers["ratelimit-remaining"]) >= 999
        org_id = database.add_organization()
        user = database.add_user()
        database.add_member(org_id, user, "owner")
        other = server.request(
            "POST",
            "/auth/api-keys/verify",
            json={"key": tenant.key},
            headers=session(server, user),
        )
        assert (other.status_code, left(other)) == (200, LIMIT - 1)


def until_refused_from(ask: Callable[[], httpx.Response]) -> httpx.Response:
    """The first refusal, which follows within as many requests as the limit allows."""
    answers = (ask() for _ in range(2 * LIMIT))
    return next(answer for answer in answers if answer.status_code == httpx.codes.TOO_MANY_REQUESTS)


def test_the_limit_of_requests_does_not_bind_verification(database: Database) -> None:
    tenant = database.init()
    with limited(database, workers=1) as server:
        spend_all(server, {"X-API-Key": tenant.key})
        for kind in ("verify", "authorize", "verify-batch"):
            answer = ask_verification(server, tenant.key, kind, 100)
            assert answer.is_success
            assert answer.headers["ratelimit-limit"] == "600000"


def test_off_disables_the_limit_of_verification(database: Database) -> None:
    tenant = database.init()
    with serving(
        database, HOOKSTREAM_RATE_LIMIT=str(LIMIT), HOOKSTREAM_VERIFICATION_RATE_LIMIT="off"
    ) as server:
        for kind in ("verify", "authorize", "verify-batch"):
            answer = ask_verification(server, tenant.key, kind, 100)
            # Of the API, for which it does not count.
            assert (answer.is_success, left(answer)) == (True, LIMIT)


def test_a_batch_that_has_to_write_is_counted_once(database: Database) -> None:
    """The first use of a pending secret repeats the batch in the write transaction."""
    tenant = database.init()
    caller = {"X-API-Key": tenant.key}
    with serving(database, HOOKSTREAM_VERIFICATION_RATE_LIMIT=str(LIMIT)) as server:
        body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
        made = server.request("POST", "/auth/api-keys", json=body, headers=caller).json()
        path = f"/auth/api-keys/{made['id']}/rotations"
        rotated = server.request(
            "POST", path, json={"grace_period_seconds": 60}, headers=caller
        ).json()
        spending = Spending()
        answer = server.request(
            "POST",
            "/auth/api-keys/verify-batch",
            json={"requests": [{"key": rotated["key"]}] * 5},
            headers=caller,
        )
        assert [each["code"] for each in answer.json()["results"]] == ["VALID"] * 5
        spending.assert_spent(5, answer)


def test_an_unauthenticated_client_uses_up_only_its_own_limit(database: Database) -> None:
    tenant = database.init()
    with limited(database) as server:
        # The prefix of a real key, and what else an attacker may know.
        wrong = {"X-API-Key": tenant.key[:-1] + ("0" if tenant.key[-1] != "0" else "1")}
        answers = [server.request("GET", "/auth/whoami", headers=wrong) for _ in range(5)]
        assert [answer.status_code for answer in answers[:2]] == [401, 401]
        for answer in answers[2:]:
            assert_error(answer, 429, "rate_limited")
        for path in ("/openapi.json", "/nowhere"):
            assert_names(server.request("GET", path), "from this address", "HOOKSTREAM_RATE_LIMIT")
        # Not the tenant whose key it guesses at, although it comes from the same address.
        valid = server.request("GET", "/auth/whoami", headers={"X-API-Key": tenant.key})
        assert (valid.status_code, left(valid)) == (200, LIMIT - 1)
        verify = server.request("GET", "/auth/authorize", headers={"X-API-Key": tenant.key})
        assert verify.status_code == 204


def test_addresses_are_the_clients_where_the_proxy_is_trusted(database: Database) -> None:
    database.init()
    with limited(database, trusted_proxies="127.0.0.1") as server:
        spending = Spending()
        for address, spent in (
            ("203.0.113.7", 1),
            ("203.0.113.8", 1),
            ("::ffff:203.0.113.7", 2),
            # A customer has a whole network of these.
            ("2001:db8::1", 1),
            ("2001:db8::ffff:2", 2),
            ("2001:db8:0:1::1", 1),
        ):
            headers = {"X-Forwarded-For": address}
            spending.assert_spent(spent, server.request("GET", "/openapi.json", headers=headers))


def test_off_disables_the_limit_and_its_headers(database: Database) -> None:
    tenant = database.init()
    with serving(database, HOOKSTREAM_RATE_LIMIT="off") as server:
        for headers in ({"X-API-Key": tenant.key}, {}):
            answer = server.request("GET", "/auth/whoami", headers=headers)
            assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_a_limit_outlives_the_workers(database: Database) -> None:
    tenant = database.init()
    key = {"X-API-Key": tenant.key}
    with limited(database) as server:
        spend_all(server, key)
        spending = Spending()
    with limited(database) as server:
        answer = server.request("GET", "/auth/whoami", headers=key)
        assert left(answer) <= spending.came_back()


# Of a key


@pytest.fixture(scope="module")
def verify(server: Server, tenant: Tenant) -> Any:
    def send(key: str, **more: Any) -> dict[str, Any]:
        answer = server.request(
            "POST",
            "/auth/api-keys/verify",
            json={"key": key, "explain": True, **more},
            headers={"X-API-Key": tenant.key},
        )
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    return send


HOUR = {"requests": 3, "window_seconds": 3600}


def test_a_key_is_valid_up_to_its_rate_limit(create: Any, verify: Any) -> None:
    key = create(rate_limit=HOUR, scopes="events:read").json()["key"]
    for remaining in (2, 1, 0):
        found = verify(key)
        assert (found["code"], found["failed_rule"]) == ("VALID", None)
        assert found["rate_limit"]["remaining"] == remaining
        assert found["rate_limit"]["retry_after_seconds"] == 0
        # What is refused for another reason does not count.
        assert verify(key, scopes="events:write")["code"] == "INSUFFICIENT_SCOPE"
    found = verify(key)
    assert (found["valid"], found["code"], found["failed_rule"]) == (False, "RATE_LIMITED", "limit")
    assert found["rate_limit"]["remaining"] == 0
    assert 1190 <= found["rate_limit"]["retry_after_seconds"] <= 1200
    assert found["api_key"]["rate_limit"] == HOUR


def test_a_key_without_a_limit_says_nothing_of_one(create: Any, verify: Any) -> None:
    found = verify(create().json()["key"])
    assert "rate_limit" not in found
    assert found["api_key"]["rate_limit"] is None


def test_a_changed_limit_takes_over_what_was_used(
    create: Any, verify: Any, server: Server, tenant: Tenant
) -> None:
    key = create(rate_limit=HOUR).json()

    def change(limit: dict[str, int] | None) -> None:
        answer = server.request(
            "PATCH",
            f"/auth/api-keys/{key['id']}",
            json={"rate_limit": limit},
            headers={"X-API-Key": tenant.key},
        )
        assert answer.status_code == 200, answer.text

    def remaining() -> tuple[str, int]:
        found = verify(key["key"])
        return found["code"], found["rate_limit"]["remaining"]

    assert [remaining() for _ in range(4)][2:] == [("VALID", 0), ("RATE_LIMITED", 0)]
    change({"requests": 300, "window_seconds": 3600})
    assert remaining() == ("VALID", 296)
    change({"requests": 4, "window_seconds": 86_400})
    assert remaining() == ("RATE_LIMITED", 0)
    # One that is removed is forgotten.
    change(None)
    assert verify(key["key"])["code"] == "VALID"
    change(HOUR)
    assert remaining() == ("VALID", 2)


def test_a_key_is_valid_again_after_its_window(create: Any, verify: Any) -> None:
    key = create(rate_limit={"requests": 1, "window_seconds": SOON}).json()["key"]
    assert verify(key)["code"] == "VALID"
    assert verify(key)["code"] == "RATE_LIMITED"
    time.sleep(SOON + 0.05)
    assert verify(key)["code"] == "VALID"


def test_each_of_a_batch_counts(create: Any, server: Server, tenant: Tenant) -> None:
    key = create(rate_limit=HOUR).json()["key"]
    answer = server.request(
        "POST",
        "/auth/api-keys/verify-batch",
        json={"requests": [{"key": key}] * 5},
        headers={"X-API-Key": tenant.key},
    )
    codes = [each["code"] for each in answer.json()["results"]]
    assert codes == ["VALID"] * 3 + ["RATE_LIMITED"] * 2


def test_forward_authentication_counts_and_says_so(create: Any, server: Server) -> None:
    key = {"X-API-Key": create(rate_limit=HOUR, scopes="events:read").json()["key"]}
    for remaining in ("2", "1", "0"):
        answer = server.request("GET", "/auth/authorize?scope=events:read", headers=key)
        assert answer.status_code == 204
        assert answer.headers["ratelimit-limit"] == "3"
        assert answer.headers["ratelimit-remaining"] == remaining
        refused = server.request("GET", "/auth/authorize?scope=events:write", headers=key)
        assert_error(refused, 403, "insufficient_scope")
    answer = server.request("GET", "/auth/authorize?scope=events:read", headers=key)
    assert_error(answer, 429, "rate_limited")
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("3", "0")
    assert 1190 <= int(answer.headers["retry-after"]) <= 1200


def test_every_use_of_a_key_counts_against_its_limit(
    create: Any, server: Server, verify: Any
) -> None:
    secret = create(rate_limit=HOUR).json()["key"]
    key = {"X-API-Key": secret}
    assert server.request("GET", "/auth/whoami", headers=key).status_code == 200
    assert verify(secret)["rate_limit"]["remaining"] == 1
    assert server.request("GET", "/auth/authorize", headers=key).status_code == 204
    answer = server.request("GET", "/auth/whoami", headers=key)
    assert_error(answer, 429, "rate_limited")
    assert answer.headers["ratelimit-limit"] == "3"
    assert verify(secret)["code"] == "RATE_LIMITED"


def test_a_limit_is_exact_over_the_workers(database: Database) -> None:
    tenant = database.init()
    key = {"X-API-Key": tenant.key}
    with serving(database, workers=3) as server:
        body = {
            "name": "n",
            "org_id": tenant.org_id,
            "env_id": tenant.env_id,
            "rate_limit": {"requests": 50, "window_seconds": 86_400},
        }
        secret = server.request("POST", "/auth/api-keys", json=body, headers=key).json()["key"]

        def code(_: int) -> str:
            sent = {"key": secret}
            answer = server.request("POST", "/auth/api-keys/verify", json=sent, headers=key)
            return str(answer.json()["code"])

        with ThreadPoolExecutor(8) as pool:
            codes = list(pool.map(code, range(120)))
    assert (codes.count("VALID"), codes.count("RATE_LIMITED")) == (50, 70)


# Passwords


def sign_in(
    server: Server, email: str, password: str, address: str = "203.0.113.7"
) -> httpx.Response:
    body = {"email": email, "password": password}
    headers = {"X-Forwarded-For": address}
    return server.request("POST", "/auth/sign-in/email", json=body, headers=headers)


def guess_until_refused(
    server: Server, limit: Limit, email: Callable[[int], str], address: str
) -> None:
    """Try wrong passwords: as many as the limit lets through, and then it is too many."""

    def guess(number: int) -> httpx.Response:
        answer = sign_in(server, email(number), "a wrong password", address)
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
            assert_error(answer, 401, "INVALID_EMAIL_OR_PASSWORD")
        return answer

    until_refused(limit, guess)


def test_brute_force_is_rate_limited_without_locking_out_others(database: Database) -> None:
    tenant = database.init()
    with serving(
        database, workers=2, HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1", HOOKSTREAM_RATE_LIMIT="off"
    ) as server:
        guess_until_refused(server, ONE_USER, lambda _: tenant.email, "203.0.113.7")
        for password in ("a wrong password", tenant.password):
            answer = sign_in(server, tenant.email.upper(), password)
            assert_error(answer, 429, "rate_limited")
            assert int(answer.headers["retry-after"]) <= ONE_USER.seconds // ONE_USER.requests
        # The user signs in from elsewhere, and others from there.
        assert sign_in(server, tenant.email, tenant.password, "203.0.113.8").status_code == 200
        answer = sign_in(server, "other@example.com", "a wrong password")
        assert_error(answer, 401, "INVALID_EMAIL_OR_PASSWORD")
        # One attempt after another is slowed down as well.
        guess_until_refused(server, ONE_ADDRESS, "user{}@example.com".format, "192.0.2.1")


def test_successful_sign_ins_are_not_slowed_down(database: Database) -> None:
    tenant = database.init()
    with serving(database) as server:
        for _ in range(ONE_USER.requests * 2):
            assert sign_in(server, tenant.email, tenant.password).status_code == 200


def consume_all_but_two(database: Database, name: str, limit: Limit) -> None:
    """Consume nearly all of a limit, where the workers share it."""
    file = None if ON_POSTGRESQL else database.path
    store = open_store(url_of(database.path))
    counters = open_counters(store, file, time.monotonic_ns)
    assert result_of(counters.consume(name, limit, limit.requests - 2)).allowed
    counters.close()
    store.close()


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("signed in address 203.0.113.7 {email}", RIGHT_OF_ONE_USER),
        ("signed in address 203.0.113.7", RIGHT_FROM_ONE_ADDRESS),
    ],
    ids=["one user", "one address"],
)
def test_right_passwords_are_limited_too(database: Database, name: str, limit: Limit) -> None:
    tenant = database.init()
    with serving(
        database, workers=2, HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1", HOOKSTREAM_RATE_LIMIT="off"
    ) as server:
        consume_all_but_two(database, name.format(email=tenant.email), limit)
        spending = Spending(limit)
        answers: list[httpx.Response] = []
        while not answers or answers[-1].status_code == httpx.codes.OK:
            answers.append(sign_in(server, tenant.email, tenant.password))
        assert_error(answers[-1], 429, "rate_limited")
        assert "use the sessions that you have" in answers[-1].json()["error"]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
        assert 2 <= len(answers) - 1 <= 2 + spending.came_back()
        # From elsewhere the same user signs in.
        assert sign_in(server, tenant.email, tenant.password, "203.0.113.8").status_code == 200


def test_many_users_behind_one_address_can_sign_in() -> None:
    assert RIGHT_FROM_ONE_ADDRESS.requests >= 5 * RIGHT_OF_ONE_USER.requests
    assert RIGHT_OF_ONE_USER.requests >= 60 >= RIGHT_OF_ONE_USER.seconds
