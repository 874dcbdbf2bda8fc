"""The document and Swagger UI, as they are served."""

import re
from urllib.parse import urljoin

import httpx
import pytest
import yaml
from support import Database, Server, assert_error, cookie, serving

from hookstream_keys.contract import spec


@pytest.mark.not_in_sandbox(reason="a sandbox's document names its own URL")
def test_200_the_document_byte_for_byte(server: Server) -> None:
    answer = server.request("GET", "/openapi.yaml")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/yaml")
    assert answer.content == spec.source()


@pytest.mark.not_in_sandbox(reason="a sandbox's document names its own URL")
def test_200_the_document_in_json(server: Server) -> None:
    answer = server.request("GET", "/openapi.json")
    assert answer.status_code == 200
    assert answer.json() == yaml.safe_load(spec.source())


@pytest.mark.parametrize("path", ["/openapi.yaml", "/openapi.json"])
def test_304_to_a_cache_that_has_the_document(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    tag = answer.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    # It must ask each time: an upgrade changes the document.
    assert answer.headers["cache-control"] == "no-cache"
    assert server.request("HEAD", path).headers["etag"] == tag
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        for method in ("GET", "HEAD"):
            again = server.request(method, path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == tag
            assert "content-type" not in again.headers
    for other in ('"other"', tag[1:-1], f"{tag} {tag}", ""):
        again = server.request("GET", path, headers={"If-None-Match": other})
        assert (again.status_code, again.content) == (200, answer.content)


def test_each_form_of_the_document_has_its_own_version(server: Server) -> None:
    tags = {server.request("GET", f"/openapi.{form}").headers["etag"] for form in ("yaml", "json")}
    assert len(tags) == 2
    headers = {"If-None-Match": ", ".join(tags)}
    assert server.request("GET", "/ui/", headers=headers).status_code == 200


def test_200_the_document_names_the_public_url(database: Database) -> None:
    database.init()
    public = "https://keys.example.com"
    with serving(database, HOOKSTREAM_PUBLIC_URL=public) as server:
        document = server.request("GET", "/openapi.json").json()
        assert [each["url"] for each in document["servers"]] == [f"{public}/v1", "/v1"]
        assert yaml.safe_load(server.request("GET", "/openapi.yaml").content) == document


def test_a_page_at_the_public_url_is_the_servers_own(database: Database) -> None:
    tenant = database.init()
    headers = {"Cookie": cookie(database.add_session(tenant.user_id))}
    body = {"name": "n", "org_id": tenant.org_id, "env_id": tenant.env_id}
    with serving(database, HOOKSTREAM_PUBLIC_URL="https://example.com/keys") as server:
        for origin, status in (("https://example.com", 201), ("https://example.org", 403)):
            answer = server.request(
                "POST", "/auth/api-keys", json=body, headers={**headers, "Origin": origin}
            )
            assert answer.status_code == status


def test_308_to_the_page(server: Server) -> None:
    answer = server.request("GET", "/ui")
    assert answer.status_code == 308
    assert answer.headers["location"] == "ui/"
    assert answer.url.join("ui/") == server.url + "/ui/"


def test_200_the_page_and_every_file_that_it_names(server: Server) -> None:
    page = server.request("GET", "/ui/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "unsafe-inline" not in page.headers["content-security-policy"]
    assert "://" not in page.text
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(names) >= 3
    for name in names:
        answer = server.request("GET", urljoin("/ui/", name))
        assert answer.status_code == 200, name
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_200_the_reference_and_every_file_that_it_names(server: Server) -> None:
    page = server.request("GET", "/reference")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "://" not in page.text + policy
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(names) >= 6
    for name in names:
        answer = server.request("GET", f"/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/", "/v1/"])
def test_302_from_the_root_to_the_reference(server: Server, path: str) -> None:
    answer = httpx.get(server.origin + path)
    assert answer.status_code == 302
    assert answer.headers["location"] == "/v1/reference"
    assert answer.url.join(answer.headers["location"]) == f"{server.url}/reference"
    # HEAD and other methods are as on every path.
    assert httpx.head(server.origin + path).headers["location"] == "/v1/reference"
    assert_error(httpx.post(server.origin + path), 405, "method_not_allowed")


def test_302_from_the_root_below_the_path_of_the_public_url(database: Database) -> None:
    database.init()
    with serving(database, HOOKSTREAM_PUBLIC_URL="https://example.com/keys") as server:
        assert httpx.get(server.origin).headers["location"] == "/keys/v1/reference"


@pytest.mark.parametrize("path", ["//", "/index.html", "/?a=b", "/ui/", "/reference"])
def test_nothing_else_is_outside_the_base_path(server: Server, path: str) -> None:
    with httpx.Client(base_url=server.origin) as client:
        answer = client.send(client.build_request("GET", server.origin + path))
    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("page", ["ui", "reference"])
@pytest.mark.parametrize("name", ["nothing.js", "LICENSE", "NOTICE", "index.html"])
def test_400_an_unknown_asset(server: Server, page: str, name: str) -> None:
    assert_error(server.request("GET", f"/{page}/{name}"), 400, "bad_request", "path/asset")


@pytest.mark.parametrize(
    "name", ["..%2Fopenapi.yaml", "..%5Cx", "__init__.py", ".hidden", "a%00b", "ui.css%0A", "%0A"]
)
def test_a_path_outside_the_page_is_refused(server: Server, name: str) -> None:
    answer = server.request("GET", f"/ui/{name}")
    assert answer.status_code in (400, 404)
    assert_error(answer, answer.status_code, answer.json()["code"], *_locations(answer.json()))


def _locations(body: dict[str, list[dict[str, str]]]) -> list[str]:
    return [detail["location"] for detail in body.get("details", [])]
