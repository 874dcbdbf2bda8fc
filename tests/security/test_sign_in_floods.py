"""A flood of sign-ins with right passwords: other users sign in as if there were none.

How long that takes is no test's to say; what is held is how many of the flood's password checks
go before another user's. In the order of arrival that would be all that wait.
"""

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from security.world import PASSWORD
from support import NO_TLS, Database, Server, Tenant, serving, until

from hookstream_keys.domain import passwords
from hookstream_keys.handlers.throttle import ONE_USER
from hookstream_keys.http.dispatch import PASSWORDS_AT_ONCE, PASSWORDS_WAITING

#: More clients than can wait, so that the queue is always full.
CLIENTS = PASSWORDS_WAITING + 16
SIGN_INS = 5

#: Who signs in at a turn of the flood, and from where: an email and an address.
Flood = Callable[[int], tuple[str, str]]


class Flooding:
    """Clients that sign in as fast as they can, and how often they were answered what."""

    def __init__(self, server: Server, who: Flood) -> None:
        self._url = f"{server.url}/auth/sign-in/email"
        self._who = who
        self._turns = itertools.count()
        self._over = threading.Event()
        self.answered: list[int] = []

    def flood(self) -> None:
        with httpx.Client(timeout=60, trust_env=False, verify=NO_TLS) as client:
            while not self._over.is_set():
                email, address = self._who(next(self._turns))
                body = {"email": email, "password": PASSWORD}
                headers = {"X-Forwarded-For": address}
                answer = client.post(self._url, json=body, headers=headers)
                self.answered.append(answer.status_code)
                if answer.status_code != httpx.codes.OK:
                    # It costs the server nothing to refuse; the machine is the test's as well.
                    self._over.wait(0.5)

    def stop(self) -> None:
        self._over.set()

    def checks(self) -> int:
        """How many of its passwords were checked."""
        return self.answered.count(httpx.codes.OK)


@contextmanager
def flooding(server: Server, who: Flood) -> Iterator[Flooding]:
    flood = Flooding(server, who)
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(flood.flood) for _ in range(CLIENTS)]
        try:
            # Until the queue has been full.
            while httpx.codes.SERVICE_UNAVAILABLE not in flood.answered:
                assert not any(each.done() for each in running), "a client of the flood failed"
                threading.Event().wait(0.05)
            yield flood
        finally:
            flood.stop()
    for each in running:
        each.result()


@pytest.fixture
def users(database: Database) -> list[str]:
    """The emails of users who share one password."""
    database.init()
    hashed = passwords.hashed(PASSWORD)
    found = []
    for _ in range(400):
        user = database.add_user()
        database.execute(
            'insert into "account" (id, "accountId", "providerId", "userId", password,'
            ' "createdAt", "updatedAt") values (?, ?, \'credential\', ?, ?, ?, ?)',
            (f"acc_{user}", user, user, hashed, database.now(), database.now()),
        )
        found.append(f"{user}@example.com")
    return found


def sign_in(server: Server, tenant: Tenant) -> httpx.Response:
    body = {"email": tenant.email, "password": tenant.password}
    headers = {"X-Forwarded-For": "203.0.113.7"}
    return server.request("POST", "/auth/sign-in/email", json=body, headers=headers)


def one_account_from_many_addresses(users: list[str]) -> Flood:
    return lambda turn: (users[0], f"10.{turn >> 16 & 255}.{turn >> 8 & 255}.{turn & 255}")


def many_accounts_from_one_address(users: list[str]) -> Flood:
    return lambda turn: (users[turn % len(users)], "198.51.100.1")


def one_account_from_one_address(users: list[str]) -> Flood:
    return lambda _: (users[0], "198.51.100.1")


def test_a_flood_of_wrong_passwords_locks_no_user_out_from_another_address(
    database: Database, users: list[str]
) -> None:
    """What the full queue rejects counts as failed: else few addresses would keep it full."""

    def wrong(turn: int) -> tuple[str, str]:
        return database.tenant.email, f"10.0.0.{turn % 58}"

    with (
        serving(
            database, HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1", HOOKSTREAM_RATE_LIMIT="off"
        ) as server,
        flooding(server, wrong) as flood,
    ):
        # Until none of its addresses may try once more at once.
        until(lambda: set(flood.answered[-58:]) == {httpx.codes.TOO_MANY_REQUESTS}, seconds=60)
        for _ in range(SIGN_INS):
            assert sign_in(server, database.tenant).status_code == httpx.codes.OK
    assert flood.answered.count(httpx.codes.UNAUTHORIZED) <= 58 * ONE_USER.requests + 58


@pytest.mark.parametrize(
    "kind",
    [
        one_account_from_many_addresses,
        many_accounts_from_one_address,
        one_account_from_one_address,
    ],
)
def test_a_flood_of_right_passwords_does_not_delay_other_users(
    database: Database, users: list[str], kind: Callable[[list[str]], Flood]
) -> None:
    with (
        serving(
            database,
            HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
            HOOKSTREAM_RATE_LIMIT="off",
            HOOKSTREAM_VALIDATE_RESPONSES="off",
        ) as server,
        flooding(server, kind(users)) as flood,
    ):
        for _ in range(SIGN_INS):
            before = flood.checks()
            answer = sign_in(server, database.tenant)
            meanwhile = flood.checks() - before
            assert answer.status_code == httpx.codes.OK, answer.text
            # Those that ran when it came, one of the flood's whose turn it was, those that ran
            # beside its own, and those that were done and not counted yet.
            assert meanwhile <= 4 * PASSWORDS_AT_ONCE + 1, flood.answered[-50:]
