"""No chain of creating, changing and rotating keys comes to more than one began with.

Chains are made by Hypothesis and run against the server: by several keys, of two environments,
that are bound in different ways, some disabled, some with a rotation under way, and with a key
beside them that may do anything and whose secret no attacker has. Afterwards every secret that
was come by is verified at every point of `powers.py`.

`FUZZ_CHAINS` says how many chains: `chain_campaign.py`. There is no import of keys yet; when
there is, it is one more kind of step.
"""

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from security.attack import Attack
from security.chain_campaign import campaign, chains
from security.chains import ENDS, ORIGINS, STEPS, Origin, Step
from security.powers import beyond
from security.world import UNLIMITED, Rows, Tenant

pytestmark = pytest.mark.server(**UNLIMITED)

#: A key that may do everything for a day, and one that may do less, whose new secret has no expiry.
BROAD = Origin("api-keys:* events:*", ENDS[1])
LATER = Origin("events:read", ENDS[1], rotation="pending with an end", holds=(False, True))
#: One that ends in a day, and one that never does but for its new secret.
ENDING = Origin("*", ENDS[1])
LATER_NEVER = Origin(
    "*", None, rotation="pending with an end", rotation_end=ENDS[1], holds=(False, True)
)
#: One that is bound to addresses; a chain that leaves them out is seldom come upon.
NEAR = Origin("api-keys:* events:*", allowed_ips=("192.0.2.0/25",))


def attack(client: httpx.Client, rows: Rows, origins: list[Origin], steps: list[Step]) -> Attack:
    attempt = Attack(client, rows)
    attempt.begin(origins)
    for step in steps:
        attempt.do(step)
    return attempt


def test_no_chain_reaches_more_than_its_origins_had(
    client: httpx.Client, rows: Rows, capsys: pytest.CaptureFixture[str]
) -> None:
    @chains
    @given(st.lists(ORIGINS, min_size=1, max_size=4), st.lists(STEPS, min_size=3, max_size=12))
    @example([NEAR], [Step("create", 0, 0, "192.0.2.9", frozenset({"scopes"}), {})])
    @example([BROAD, LATER], [Step("update", 0, 2, "192.0.2.9", frozenset({"scopes"}), {})])
    @example(
        [ENDING, LATER_NEVER],
        [Step("update", 0, 2, "192.0.2.9", frozenset({"scopes"}), {"expires_at": None})],
    )
    def no_chain(origins: list[Origin], steps: list[Step]) -> None:
        attempt = attack(client, rows, origins, steps)
        reached = attempt.reached()
        tried.count(attempt.done, len(reached))
        found = beyond(reached, attempt.origins)
        assert not found, "\n".join([*map(str, found[:3]), *attempt.done])

    with campaign(capsys) as tried:
        no_chain()


def test_a_pending_secret_gains_nothing_beyond_its_expiry(client: httpx.Client, rows: Rows) -> None:
    """Two origins, neither with a broad key without expiry: one widens what the other holds."""
    widen = Step("update", 0, 2, "192.0.2.9", frozenset({"scopes"}), {})
    attempt = attack(client, rows, [BROAD, LATER], [widen])
    assert beyond(attempt.reached(), attempt.origins) == []
    assert attempt.done[0].endswith("403")


def test_a_key_grants_no_member_more_than_their_role(client: httpx.Client, rows: Rows) -> None:
    """A member's key with the scopes `*`, and its descendants, have a member's rights."""
    with rows.at_once():
        tenant = Tenant(rows)
        member, owner = tenant.signed_in("member"), tenant.signed_in("owner")
    body = {"name": "Mine", "org_id": tenant.org, "env_id": tenant.env, "scopes": "*"}
    path, holders = "/auth/api-keys", [member]
    for _ in range(2):
        made = client.post(path, json=body, headers=holders[-1]).json()
        holders.append({"X-API-Key": made["key"]})
    # Its maker gives it the same scopes once more.
    mine = f"{path}/{client.get('/auth/whoami', headers=holders[1]).json()['key_id']}"
    assert client.patch(mine, json={"scopes": "*"}, headers=member).is_success

    theirs = f"{path}/{tenant.key}"
    rotation = {"grace_period_seconds": 0}
    for holder in holders:
        for answer in (
            client.get("/audit-log", headers=holder),
            client.patch(theirs, json={"scopes": "*"}, headers=holder),
            client.post(f"{theirs}/rotations", json=rotation, headers=holder),
            client.delete(theirs, params={"reason": "superseded"}, headers=holder),
            client.patch(f"/environments/{tenant.env}", json={"name": "x"}, headers=holder),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), answer.text

    # An owner who changes its scopes leaves its role.
    assert client.patch(mine, json={"scopes": "*"}, headers=owner).is_success
    assert client.get("/audit-log", headers=holders[1]).status_code == 403
    assert client.patch(mine, json={"role": "owner"}, headers=owner).is_success
    assert client.get("/audit-log", headers=holders[1]).is_success
    assert client.get("/audit-log", headers=holders[2]).status_code == 403


def test_more_would_be_noticed(client: httpx.Client, rows: Rows) -> None:
    """What an owner does to a key is no escalation, but looks like one in a comparison."""
    for change in (
        {"scopes": "*"},
        {"expires_at": ENDS[2]},
        {"allowed_ips": ["192.0.2.0/24"]},
        {"rate_limit": {"requests": 5000, "window_seconds": 60}},
        {"enabled": True},
    ):
        enabled = "enabled" not in change
        bound = Origin("events:*", ENDS[1], ("192.0.2.9/32",), (1000, 60), enabled=enabled)
        attempt = attack(client, rows, [bound], [])
        assert beyond(attempt.reached(), attempt.origins) == []
        path = f"/auth/api-keys/{attempt.keys[-1]}"
        assert client.patch(path, json=change, headers=attempt.owner).is_success
        assert beyond(attempt.reached(), attempt.origins), change
