"""Pages of other sites, with a signed-in user's cookie: they change nothing."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from security.valid_requests import OPERATIONS, Maker, Watch
from support import Server, cookie

from hookstream_keys.contract import spec

pytestmark = pytest.mark.server(HOOKSTREAM_SIGN_UP="open", HOOKSTREAM_RATE_LIMIT="off")

#: What takes a cookie, and is not just reading.
WRITING = [
    operation.id
    for operation in OPERATIONS.values()
    if operation.secured and operation.method not in ("GET", "HEAD")
]
#: Operations that start or end a session, for any caller.
SIGNING = [operation.id for operation in OPERATIONS.values() if operation.same_site]

#: What a page elsewhere makes a browser send without a preflight: a form's three encodings.
FORMS = {
    "application/x-www-form-urlencoded": b"name=x&role=owner",
    "text/plain": b'{"name": "x", "ignored": "="}',
    "multipart/form-data; boundary=x": b'--x\r\nContent-Disposition: form-data; name="name"\r\n'
    b"\r\nx\r\n--x--\r\n",
}


@pytest.fixture(scope="module")
def maker(server: Server) -> Iterator[Maker]:
    made = Maker(server, server.database.tenant)
    with closing(made.client):
        yield made


@pytest.fixture
def browser(server: Server, maker: Maker) -> dict[str, str]:
    """What a browser adds to every request for its signed-in user."""
    return {"Cookie": cookie(server.database.add_session(maker.tenant.user_id))}


def origins(server: Server) -> dict[str, dict[str, str]]:
    """Headers of pages that are not the server's own."""
    own = server.origin
    host, port = server.address
    foreign = {
        "another site": "https://evil.example",
        "null": "null",
        "empty": "",
        "own as a prefix": f"{own}.evil.example",
        "own as a user": f"{own}@evil.example",
        "own as a path": f"https://evil.example/{own}",
        "own with a slash": f"{own}/",
        "own twice": f"{own} {own}",
        "another scheme": f"https://{host}:{port}",
        "another port": f"http://{host}:{port + 1}",
        "no port": f"http://{host}",
        "another spelling": f"http://localhost:{port}",
        "a file": "file://",
    }
    missing = {
        "nothing": {},
        "cross-site": {"Sec-Fetch-Site": "cross-site"},
        "same-site": {"Sec-Fetch-Site": "same-site"},
        "none": {"Sec-Fetch-Site": "none"},
        "own only as Referer": {"Referer": f"{own}/v1/ui/"},
        "a lie beside it": {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
    }
    return {name: {"Origin": value} for name, value in foreign.items()} | missing


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    with closing(Watch(server.database)) as watching:
        yield watching


def test_there_are_operations_of_both_kinds() -> None:
    assert len(WRITING) >= 17
    assert set(SIGNING) == {"signUpEmail", "signInEmail", "signOut"}


@pytest.mark.parametrize("operation_id", WRITING)
def test_a_cookie_authorizes_writes_from_trusted_origins_only(
    server: Server, maker: Maker, browser: dict[str, str], watch: Watch, operation_id: str
) -> None:
    valid = maker.make(operation_id)
    before = watch.version()
    for name, headers in origins(server).items():
        answer = valid.send(browser | headers)
        assert answer.status == 403, name
        assert answer.json()["code"] == "untrusted_origin", name
        assert watch.version() == before, name
    # It was valid in every other way.
    answer = valid.send(browser | {"Origin": server.origin})
    assert answer.is_success, answer.content


@pytest.mark.parametrize("operation_id", WRITING)
def test_a_form_of_another_page_changes_nothing(
    server: Server, maker: Maker, browser: dict[str, str], watch: Watch, operation_id: str
) -> None:
    valid = maker.make(operation_id)
    before = watch.version()
    for media_type, content in FORMS.items():
        headers = browser | {"Content-Type": media_type}
        for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
            answer = valid.send(headers | origin, content)
            assert answer.status in (403, 415), answer.content
        if OPERATIONS[operation_id].consumes:
            assert valid.send(headers | {"Origin": server.origin}, content).status == 415
        assert watch.version() == before


@pytest.mark.parametrize("operation_id", SIGNING)
def test_another_site_cannot_sign_a_user_in_or_out(
    server: Server, maker: Maker, watch: Watch, operation_id: str
) -> None:
    session = server.database.add_session(maker.tenant.user_id)
    browser = {"Cookie": cookie(session)}
    valid = maker.make(operation_id)
    before = watch.version()
    says_nothing = ("nothing", "none", "own only as Referer")
    for name, headers in origins(server).items():
        if name in says_nothing:
            continue
        answer = valid.send(browser | headers)
        assert answer.status == 403, name
        assert "set-cookie" not in answer.headers, name
        assert watch.version() == before, name
    for media_type, content in FORMS.items():
        for origin in ({"Origin": "null"}, {}):
            headers = browser | origin | {"Content-Type": media_type}
            answer = valid.send(headers, content)
            assert answer.status in (403, 415), answer.content
            assert watch.version() == before
    assert valid.send(browser | {"Origin": server.origin}).is_success


def test_no_operation_that_only_reads_by_its_method_changes_anything(
    maker: Maker, browser: dict[str, str], watch: Watch
) -> None:
    reading = [each for each in OPERATIONS.values() if each.method == "GET" and each.secured]
    requests = [maker.make(each.id) for each in reading]
    before = watch.version()
    for valid in requests:
        answer = valid.send(browser | {"Origin": "https://evil.example"})
        # Forward authentication is for keys only.
        assert answer.is_success or valid.operation.id == "authorize"
        # A method that is asked for otherwise is not looked at.
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            valid.send(browser | {name: "DELETE"})
        valid.send(browser, _method="DELETE")
    assert watch.version() == before


def test_no_page_elsewhere_may_read_an_answer(server: Server, browser: dict[str, str]) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for method in ("GET", "OPTIONS"):
        answer = server.request(method, "/auth/whoami", headers=browser | asked)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_the_document_says_which_operations_the_check_is_for() -> None:
    # Those without a cookie scheme have nothing to forge.
    named = {
        operation.id
        for operation in spec.operations(spec.document())
        if operation.method != "GET" and not operation.secured
    }
    assert named == {"revokeBySecret", "signUpEmail", "signInEmail"}
