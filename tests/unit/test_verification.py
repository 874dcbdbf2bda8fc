from pathlib import Path

import pytest
from support.results import result_of
from unit import samples
from unit.conftest import Engine

from hookstream_keys.auth import verification
from hookstream_keys.domain import keys
from hookstream_keys.store import Store, StoreUnavailable, Tenant, open_store


@pytest.fixture
def broken(tmp_path: Path) -> Store:
    """A store that can answer no question."""
    return open_store(f"sqlite:///{tmp_path / 'missing.db'}")


def add(store: Store, tenant: Tenant) -> keys.NewKey:
    new = keys.generate("live")
    key = samples.key_of(tenant.tenancy.environment, prefix=new.prefix)
    result_of(store.add_key(key, new.digest, samples.event_of(key)))
    return new


def test_a_key_that_was_issued_is_valid(store: Store, tenant: Tenant) -> None:
    new = add(store, tenant)
    found = result_of(verification.verify(store, keys.digest_of(new.secret), samples.USE))
    assert found.code == "VALID"
    assert found.key is not None
    assert found.key.prefix == new.prefix


def test_a_key_that_was_never_issued_is_not_found(store: Store, tenant: Tenant) -> None:
    add(store, tenant)
    found = result_of(
        verification.verify(store, keys.digest_of(keys.generate("live").secret), samples.USE)
    )
    assert (found.code, found.key) == ("NOT_FOUND", None)


def test_a_revoked_key_is_revoked_at_once(engine: Engine, store: Store, tenant: Tenant) -> None:
    new = add(store, tenant)
    assert (
        result_of(verification.verify(store, keys.digest_of(new.secret), samples.USE)).code
        == "VALID"
    )
    engine.run("update api_key set revoked_at = ? where prefix = ?", samples.NOON, new.prefix)
    found = result_of(verification.verify(store, keys.digest_of(new.secret), samples.USE))
    assert found.code == "REVOKED"
    assert found.key is not None


def test_a_wrong_checksum_is_rejected_without_a_database_query(broken: Store) -> None:
    secret = keys.generate("live").secret
    changed = secret[:20] + ("0" if secret[20] != "0" else "1") + secret[21:]
    assert (
        result_of(verification.verify(broken, keys.digest_of(changed), samples.USE)).code
        == "MALFORMED"
    )
    with pytest.raises(StoreUnavailable):
        result_of(verification.verify(broken, keys.digest_of(secret), samples.USE))


@pytest.mark.parametrize("text", ["", "hs_live_", "Bearer x", "\ud800", "\0", "x" * 100_000])
def test_a_malformed_key_is_rejected_without_a_database_query(broken: Store, text: str) -> None:
    found = result_of(verification.verify(broken, keys.digest_of(text), samples.USE))
    assert (found.code, found.key) == ("MALFORMED", None)
