"""`hookstream-keys keys show`."""

from support import Database, Tenant
from support.operator import answer, assert_facts, assert_misspelt, assert_refused, create, keys


def test_the_text_output_reads_like_the_options_of_create(
    database: Database, tenant: Tenant
) -> None:
    created = create(
        database,
        tenant,
        *("--expires-at", "2999-01-01T00:00:00Z", "--rate-limit", "100/60"),
        *("--allowed-ip", "203.0.113.7", "--allowed-ip", "::1"),
        *("--metadata", "plan=pro", "--metadata", "line=a\nb", "--external-id", "customer 7"),
    )
    done = keys(database, "show", created["id"])
    assert (done.returncode, done.stderr) == (0, "")
    assert_facts(
        done.stdout,
        id=created["id"],
        org_id=tenant.org_id,
        env_id=tenant.env_id,
        key_prefix=created["key_prefix"],
        state="active",
        expires_at="2999-01-01T00:00:00.000Z",
        allowed_ips="203.0.113.7/32, ::1/128",
        rate_limit="100/60",
        metadata="plan=pro, line=a\\nb",
        external_id="customer 7",
        request_count="0",
        last_used_at="never",
        created_by="the command line",
    )
    assert created["key"] not in done.stdout


def test_the_text_output_says_what_a_plain_key_lacks(database: Database, tenant: Tenant) -> None:
    done = keys(database, "show", create(database, tenant)["id"])
    assert_facts(done.stdout, expires_at="never", allowed_ips="anywhere", rate_limit="none")
    for name in ("metadata", "rotations", "failed_attempts", "revoked_at", "last_used_ip"):
        assert name not in done.stdout


def test_the_text_output_says_how_it_is_used(database: Database, tenant: Tenant) -> None:
    key_id = create(database, tenant)["id"]
    for outcome, times, address in (
        ("VALID", 3, "203.0.113.7"),
        ("EXPIRED", 2, "203.0.113.8"),
        ("DISABLED", 1, None),
    ):
        database.execute(
            "insert into key_usage values (?, ?, ?, ?, ?)",
            (key_id, outcome, times, "2026-01-01T00:00:00.000Z", address),
        )
    rotated = answer(database, "rotate", key_id, "--grace-period", "60")["rotation"]
    assert_facts(
        keys(database, "show", key_id).stdout,
        request_count="3",
        last_used_at="2026-01-01T00:00:00.000Z",
        last_used_ip="203.0.113.7",
        failed_attempts="1 DISABLED, last 2026-01-01T00:00:00.000Z; "
        "2 EXPIRED, last 2026-01-01T00:00:00.000Z from 203.0.113.8",
        rotations=f"{rotated['id']} {rotated['key_prefix']} pending, never expires",
    )


def test_it_changes_nothing(database: Database, tenant: Tenant) -> None:
    key_id = create(database, tenant)["id"]
    before = database.dump()
    keys(database, "show", key_id)
    assert database.dump() == before


def test_an_invalid_id_is_refused(database: Database, tenant: Tenant) -> None:
    assert_refused(database, "show", "ak_0", says="API key not found")
    assert_refused(database, "show", "no id", says="KEY_ID: ")
    assert_refused(database, "show", "", says="KEY_ID: ")
    assert_misspelt(database, "show", says="KEY_ID")
    done = keys(database, "show", tenant.key)
    assert done.returncode == 1
    assert tenant.key not in done.stdout + done.stderr


def test_it_makes_no_database(database: Database) -> None:
    done = keys(database, "show", "ak_0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert not database.path.exists()
