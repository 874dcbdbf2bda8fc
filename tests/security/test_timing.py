"""Answers that are the same take the same time, so that the time tells no more than the answer.

That is the claim, and the only one that can hold: who is answered `VALID` learns it from the
answer, whatever it took. So requests are compared whose answers are equal, and of these the ones
matter that can be sent by a client that does not know yet what their time would tell. What is sent
is made anew each time, as a guesser would; `timing.py` says how it is measured and compared.

`FUZZ_SAMPLES=10000` is the long form: so many answers of each kind, and a pair fails unless the
whole interval of the difference lies within 5 % of the median. The short form cannot be that
sharp beside others on a busy machine; it fails where the whole interval lies beyond 50 %, which
a password that is not hashed, or a wait for the disk, comes to at once. `FUZZ_SIGN_INS` says how
many times a password is tried, each of which takes a core for a twentieth of a second.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

import pytest
from security.asking import SLOTS, Slot, asked
from security.sending import DATE, REQUEST_ID, request
from security.timing import Connection, Next, compare, measure
from security.world import FUTURE, PASSWORD, PAST, Rows, Tenant, new_secret
from support import Database, Server, serving

from hookstream_keys.domain import passwords

IS_LONG = "FUZZ_SAMPLES" in os.environ
SAMPLES = int(os.environ.get("FUZZ_SAMPLES") or 100)
SIGN_INS = int(os.environ.get("FUZZ_SIGN_INS") or (SAMPLES if IS_LONG else 6))
SEED = int(os.environ.get("FUZZ_SEED") or (secrets.randbelow(2**32) if IS_LONG else 20261125))

#: A difference of the medians that is no difference in practice, and one that is obvious.
SAME, GROSS = 0.05, 0.50


class Target:
    """A server, the tenant of the caller, the tenant of the resources, and a connection."""

    def __init__(self, server: Server) -> None:
        self.rows = Rows(server.database)
        self.connection = Connection(server.url)
        self.host = self.connection.host
        with self.rows.at_once():
            self.mine, self.foreign = Tenant(self.rows), Tenant(self.rows)
            self.session = {"Authorization": f"Bearer {self.rows.add_session(self.mine.owner)}"}
            self.key = self.mine.with_key()

    def get(self, path: str, headers: Mapping[str, str]) -> bytes:
        return request(self.host, "GET", path, headers)

    def post(self, path: str, body: object, headers: Mapping[str, str]) -> bytes:
        return request(self.host, "POST", path, headers, body)

    def keys(self, tenant: Tenant, **rules: object) -> list[str]:
        """Some keys with these rules; more than one, so that none is special."""
        with self.rows.at_once():
            return [self.rows.add_key(tenant.org, tenant.env, **rules)[1] for _ in range(20)]


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    database = Database(tmp_path_factory.mktemp("timing") / "hookstream.db")
    database.init()
    # As better-auth's admin and two-factor plugins add them.
    for column in ("banned", '"twoFactorEnabled"'):
        database.execute(f'alter table "user" add column {column} integer')
    with serving(
        database,
        HOOKSTREAM_RATE_LIMIT="off",
        HOOKSTREAM_VALIDATE_RESPONSES="off",
        HOOKSTREAM_LOG_LEVEL="error",
        # Each attempt to sign in comes from another address, or most would be refused unread.
        HOOKSTREAM_TRUSTED_PROXIES="127.0.0.1",
    ) as server:
        target = Target(server)
        yield target
        target.connection.close()
        target.rows.close()


Show = Callable[[str], None]


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """Prints a figure where the long form shows it."""

    def printed(line: str) -> None:
        if IS_LONG:
            with capsys.disabled():
                print(f"\n{line}", end="", flush=True)

    return printed


def assert_alike(
    target: Target,
    kinds: Mapping[str, Next],
    show: Show,
    rounds: int = SAMPLES,
    known: tuple[str, ...] = (),
) -> None:
    """Measure, and compare each pair of kinds, whose answers must be equal.

    Those that are `known` cannot be sent by a client that does not know already what their time
    would tell; they are measured and shown, and only a gross difference fails.
    """
    answers = {REQUEST_ID.sub(b"", target.connection.ask(kind())[1]) for kind in kinds.values()}
    assert len({DATE.sub(b"", answer) for answer in answers}) == 1, answers
    took = measure(target.connection, kinds, rounds, SEED)
    told = []
    for one, other in combinations(kinds, 2):
        found = compare(took[one], took[other], SEED)
        is_known = one in known or other in known
        show(f"{one} | {other} | {found} | {rounds} each{', known' if is_known else ''}")
        alike = found.is_within(SAME) if IS_LONG and not is_known else not found.is_beyond(GROSS)
        if not alike:
            told.append(f"{one}, {other}: {found}")
    assert not told, "\n".join(told)


# A secret as a credential: all are 401


def near(secret: str) -> str:
    """Another secret that begins as this one does, but for the last digits of 56."""
    return new_secret(secret[len("hs_live_") :][:52] + secrets.token_hex(2))


def broken(secret: str) -> str:
    """The same with another checksum."""
    return secret[:-1] + ("1" if secret[-1] == "0" else "0")


def test_timing_of_refused_keys_reveals_nothing(target: Target, show: Show) -> None:
    valid = target.keys(target.foreign)

    def sent(secret: Callable[[], str]) -> Next:
        return lambda: target.get("/auth/whoami", {"X-API-Key": secret()})

    def one_of(secrets_: list[str]) -> Next:
        return sent(lambda: secrets.choice(secrets_))

    kinds = {
        "never issued": sent(new_secret),
        "almost one that is valid": sent(lambda: near(secrets.choice(valid))),
        "checksum of another": sent(lambda: broken(new_secret())),
        "revoked": one_of(target.keys(target.foreign, revoked_at=PAST)),
        "disabled": one_of(target.keys(target.foreign, enabled=0)),
        "expired": one_of(target.keys(target.foreign, expires_at=PAST)),
    }
    # Its sender has put a wrong checksum to it, or holds a secret of 224 random bits.
    known = ("checksum of another", "revoked", "disabled", "expired")
    assert_alike(target, kinds, show, known=known)


def test_timing_of_refused_sessions_reveals_nothing(target: Target, show: Show) -> None:
    owner = target.foreign.owner
    with target.rows.at_once():
        valid = [target.rows.add_session(owner, FUTURE) for _ in range(20)]
        late = [target.rows.add_session(owner, PAST) for _ in range(20)]

    def sent(token: Callable[[], str]) -> Next:
        return lambda: target.get("/auth/whoami", {"Authorization": f"Bearer {token()}"})

    kinds = {
        "never begun": sent(lambda: secrets.token_urlsafe(24)),
        "almost one that is valid": sent(lambda: secrets.choice(valid)[:-2] + secrets.token_hex(1)),
        "expired": sent(lambda: secrets.choice(late)),
    }
    assert_alike(target, kinds, show, known=("expired",))


# A secret that is asked about: all are NOT_FOUND, or all 204


def test_verification_reveals_nothing_about_keys_of_other_tenants(
    target: Target, show: Show
) -> None:
    valid = target.keys(target.foreign)
    revoked = target.keys(target.foreign, revoked_at=PAST)

    def sent(secret: Callable[[], str]) -> Next:
        path = "/auth/api-keys/verify"
        return lambda: target.post(path, {"key": secret()}, target.key)

    kinds = {
        "never issued": sent(new_secret),
        "almost one that is valid": sent(lambda: near(secrets.choice(valid))),
        "another tenant's": sent(lambda: secrets.choice(valid)),
        "another tenant's, revoked": sent(lambda: secrets.choice(revoked)),
    }
    assert_alike(target, kinds, show)


# Another tenant's object: all are 404


@pytest.mark.parametrize("slot", SLOTS, ids=str)
def test_inaccessible_resources_take_as_long_as_nonexistent_ones(
    target: Target, slot: Slot, show: Show
) -> None:
    theirs = target.foreign.id_of(slot.kind)
    prefix = theirs.partition("_")[0]
    bodies = {"verifyApiKey": {"key": new_secret()}}

    def sent(wanted: Callable[[], str]) -> Next:
        def chosen(each: Slot) -> str:
            return wanted() if each == slot else target.mine.id_of(each.kind)

        def build() -> bytes:
            made = asked(slot.operation, chosen, **bodies)
            return request(target.host, made.method, made.target, target.session, made.json)

        return build

    kinds = {
        f"{slot}: never was": sent(lambda: f"{prefix}_{secrets.token_hex(16)}"),
        f"{slot}: another tenant's": sent(lambda: theirs),
    }
    assert_alike(target, kinds, show, SAMPLES if IS_LONG else SAMPLES // 3)


# Signing in: all are 401


def test_sign_in_does_not_reveal_which_addresses_have_signed_up(target: Target, show: Show) -> None:
    with target.rows.at_once():
        known = [_signed_up(target.rows, passwords.hashed(PASSWORD)) for _ in range(3)]
        # Signed up elsewhere, so that they have no password here.
        without = [_signed_up(target.rows, None) for _ in range(3)]
        banned, two_factor = (
            [_signed_up(target.rows, passwords.hashed(PASSWORD), column) for _ in range(3)]
            for column in ("banned", "twoFactorEnabled")
        )

    kinds = {
        "unknown user": attempt(target, lambda: f"{secrets.token_hex(8)}@example.com"),
        "user": attempt(target, lambda: secrets.choice(known)),
        "user without a password": attempt(target, lambda: secrets.choice(without)),
        "a banned user": attempt(target, lambda: secrets.choice(banned)),
        "a user with two factors": attempt(target, lambda: secrets.choice(two_factor)),
    }
    assert_alike(target, kinds, show, SIGN_INS)


def attempt(target: Target, email: Callable[[], str]) -> Next:
    """Tries a wrong password, each time from another address."""

    def build() -> bytes:
        address = ":".join(["2001", *(secrets.token_hex(2) for _ in range(7))])
        body = {"email": email(), "password": secrets.token_hex(8)}
        return target.post("/auth/sign-in/email", body, {"X-Forwarded-For": address})

    return build


def _signed_up(rows: Rows, password: str | None, *flags: str) -> str:
    user = rows.add_user(**dict.fromkeys(flags, 1))
    provider = "credential" if password else "github"
    made = {"createdAt": PAST, "updatedAt": PAST}
    rows.add("account", accountId=user, providerId=provider, userId=user, password=password, **made)
    ((email,),) = rows.read('select email from "user" where id = ?', user)
    return str(email)


# Whether it would be noticed


def test_a_hash_that_is_left_out_would_be_noticed(target: Target) -> None:
    """Where no password is hashed, or none is looked for: the short form sees it, too."""
    kinds = {
        "without": lambda: target.get("/health", {}),
        "with": attempt(target, lambda: "unknown@example.com"),
    }
    took = measure(target.connection, kinds, 6, SEED)
    assert compare(took["without"], took["with"], SEED).is_beyond(GROSS)
