"""No page of another site in a developer's browser controls a sandbox."""

import pytest
from support.sandboxes import Sandbox


def hosted(world: Sandbox) -> str:
    control_url: str = world.facts["control_url"]
    return control_url.split("/")[2]


@pytest.mark.parametrize(
    ("headers", "location"),
    [
        ({"Origin": "https://example.com"}, "header/origin"),
        ({"Origin": "http://127.0.0.1"}, "header/origin"),
        ({"Origin": "null"}, "header/origin"),
        # A form on a page sends no Origin with GET, and old browsers none at all.
        ({"Sec-Fetch-Site": "cross-site"}, "header/sec-fetch-site"),
        ({"Sec-Fetch-Site": "same-site"}, "header/sec-fetch-site"),
        # DNS rebinding: the page's own host leads to the sandbox.
        ({"Host": "example.com"}, "header/host"),
        ({"Host": "example.com:80", "Origin": "http://example.com:80"}, "header/host"),
        ({"Host": "127.0.0.1.example.com"}, "header/host"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/reset"), ("GET", "/facts"), ("DELETE", "/faults")]
)
def test_a_page_of_another_site_is_refused(
    world: Sandbox, method: str, path: str, headers: dict[str, str], location: str
) -> None:
    world.fail("whoami", status=503)
    refused = world.control(method, path, headers=headers)
    assert refused.status_code == 403
    assert refused.json()["code"] == "untrusted_origin"
    assert [each["location"] for each in refused.json()["details"]] == [location]
    assert len(world.do("GET", "/faults")["faults"]) == 1


def test_a_page_of_the_sandbox_and_a_program_are_not(world: Sandbox) -> None:
    host = hosted(world)
    port = host.rpartition(":")[2]
    for headers in (
        {},
        {"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Host": f"localhost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert world.control("GET", "/clock", headers=headers).status_code == 200
