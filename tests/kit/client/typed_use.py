"""What a type checker finds in the use of the client: `tox -e types` reads this file.

An `ignore` that ignores nothing is an error there, so each names a mistake that is found.
"""

from typing import assert_type

from hookstream_keys_client import AsyncClient, Client, Revocation, types


def right(client: Client) -> None:
    created = client.create_api_key(name="n", org_id="o", env_id="e", expires_at=None)
    assert_type(created, types.CreatedApiKey)
    assert_type(created["key"], str)
    assert_type(client.update_api_key("ak_1", enabled=False), types.ApiKey)
    assert_type(client.revoke_api_key("ak_1", reason="superseded"), Revocation)
    assert_type(list(client.iter_api_keys(state="active")), list[types.ApiKey])
    # Open enumerations: a type checker knows that a later server may add a code.
    assert client.verify_api_key(key="k", scopes="events:read")["code"] != "A_LATER_CODE"
    # Closed ones: a comparison that never holds is a mistake.
    assert client.get_api_key("ak_1")["state"] != "a later state"  # type: ignore[comparison-overlap]


async def right_as_well(client: AsyncClient) -> None:
    assert_type(await client.rotate_api_key("ak_1", grace_period_seconds=1), types.RotatedApiKey)
    assert_type([each async for each in client.iter_members("org_1")], list[types.Member])


def wrong(client: Client) -> None:
    client.create_api_key(name="n", org_id="o")  # type: ignore[call-arg]
    client.verify_api_key(key="k", scope="events:read")  # type: ignore[call-arg]
    client.update_api_key("ak_1", enabled="no")  # type: ignore[arg-type]
    client.list_api_keys(state="activ")  # type: ignore[arg-type]
    client.revoke_api_key("ak_1", reason="leaked")  # type: ignore[arg-type]
    client.get_api_key("ak_1")["secret"]  # type: ignore[misc]
