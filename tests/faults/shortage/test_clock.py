"""The wall clock jumps a day ahead and back, while the server runs."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from faults.shortage.client import Client, eventually
from faults.shortage.faults import Fault, Injector
from support import iso

DAY = 86_400


@pytest.fixture(autouse=True)
def _back_in_time(injector: Injector) -> None:
    injector.set(Fault())


def jump(injector: Injector, seconds: int) -> None:
    injector.set(Fault(clock=seconds))


def code(client: Client, secret: str) -> str:
    return str(client.verify(secret).json()["code"])


def test_a_key_ends_by_the_wall_clock_and_comes_back_with_it(
    client: Client, injector: Injector
) -> None:
    end = iso(datetime.now(UTC) + timedelta(hours=12))
    answer = client.create(expires_at=end)
    secret = client.made.pop(answer.json()["id"])
    for seconds, expected in ((0, "VALID"), (DAY, "EXPIRED"), (-DAY, "VALID"), (0, "VALID")):
        jump(injector, seconds)
        assert code(client, secret) == expected


@pytest.mark.parametrize("seconds", [DAY, -DAY])
def test_limits_go_by_a_clock_of_their_own(
    client: Client, injector: Injector, seconds: int
) -> None:
    limit = {"requests": 2, "window_seconds": 4}
    secret = client.made.pop(client.create(rate_limit=limit).json()["id"])
    while code(client, secret) == "VALID":
        pass
    answer = client.verify(secret).json()
    jump(injector, seconds)
    # Neither is everything given back at once, nor is any client locked out until tomorrow.
    after = client.verify(secret).json()
    assert after["rate_limit"]["reset_seconds"] <= answer["rate_limit"]["reset_seconds"] <= 4
    eventually(lambda: code(client, secret) == "VALID", "the key is valid again", within=20)
    assert 0 <= int(client.create().headers["ratelimit-reset"]) <= 60


def test_the_last_use_only_moves_forward(client: Client, injector: Injector) -> None:
    answer = client.create().json()
    key_id, secret = answer["id"], answer["key"]

    def used() -> tuple[int, str | None]:
        key = client.ask("GET", f"/auth/api-keys/{key_id}").json()["api_key"]
        return key["request_count"], key["last_used_at"]

    seen: list[tuple[int, str | None]] = [used()]
    for times, seconds in enumerate((0, DAY, -DAY), start=1):
        jump(injector, seconds)
        assert code(client, secret) == "VALID"
        eventually(lambda times=times: used()[0] == times, "the use is counted")  # type: ignore[misc]
        seen.append(used())
    moments = [moment for _, moment in seen[1:]]
    assert moments[0] < moments[1] == moments[2], moments  # type: ignore[operator]
    assert moments[1][:10] == (datetime.now(UTC) + timedelta(days=1)).date().isoformat()  # type: ignore[index]


def test_lists_neither_repeat_nor_omit_concurrent_rows(client: Client, injector: Injector) -> None:
    jumps = (0, DAY, -DAY, 0, -DAY, DAY)
    for seconds in jumps:
        jump(injector, seconds)
        assert client.create().status_code == 201
        assert client.create().status_code == 201
    pages = [client.ask("GET", "/auth/api-keys", params={"limit": 3}).json()]
    while pages[-1]["has_more"]:
        # The clock jumps between one page and the next, too.
        jump(injector, jumps[len(pages) % len(jumps)])
        parameters = {"limit": 3, "cursor": pages[-1]["cursor"]}
        answer = client.ask("GET", "/auth/api-keys", params=parameters)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
    keys = [key for page in pages for key in page["api_keys"]]
    assert len({key["id"] for key in keys}) == len(keys)
    assert {key["id"] for key in keys} >= client.made.keys()
    assert [key["created_at"] for key in keys] == sorted(
        (key["created_at"] for key in keys), reverse=True
    )
    jump(injector, 0)
    # The audit log is in the order in which things happened, whatever the clock said.
    client.assert_whole()


def test_a_session_ends_by_the_wall_clock_and_is_not_lost_by_a_jump(
    client: Client, injector: Injector
) -> None:
    headers = {"Authorization": f"Bearer {sign_in(client).json()['token']}"}

    def status() -> int:
        return client.http.get(f"{client.server.url}/auth/whoami", headers=headers).status_code

    # A session lasts for seven days from its last renewal; a day before it began it is valid, too.
    for seconds, expected in ((0, 200), (-DAY, 200), (DAY // 2, 200), (8 * DAY, 401), (0, 200)):
        jump(injector, seconds)
        assert status() == expected, seconds
    # After too many failures the wait is as long as stated, whatever the clock does.
    jump(injector, -DAY)
    assert sign_in(client).status_code == 200


def sign_in(client: Client) -> httpx.Response:
    body = {"email": client.tenant.email, "password": client.tenant.password}
    return client.http.post(f"{client.server.url}/auth/sign-in/email", json=body)


def test_idempotent_requests_hold_when_the_clock_goes_back(
    client: Client, injector: Injector
) -> None:
    body = {"name": "n", "org_id": client.tenant.org_id, "env_id": client.tenant.env_id}

    def create() -> str:
        headers = {"Idempotency-Key": "once-and-no-more"}
        answer = client.ask("POST", "/auth/api-keys", json=body, headers=headers)
        assert answer.status_code == 201
        return str(answer.json()["key"])

    first = create()
    for seconds in (-DAY, DAY // 2, 0):
        jump(injector, seconds)
        assert create() == first
