"""Generators read the served document, and their clients play the life of a key.

The clients play it with the server itself, and through a proxy that adds a field to every object of
each response, as a minor release may.
"""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.adding_proxy import AddingProxy, adding_proxy
from kit.generators import LIVES, OPENAPI_GENERATORS, Generators, typescript_project
from support import Server, Tenant, unmeasured
from support.programs import require

#: What openapi-generator may warn of.
KNOWN_WARNINGS = {
    # Of a body with named examples, which it does not put into the client's documentation.
    "java": {"Ignoring complex example on request body"},
    # Of a field whose values are of any type, `details` of the audit log.
    "python": {"Failed to get the schema name: null"},
}

#: What each client's program prints.
LIFE = {
    "codes": {
        "created": "VALID",
        "rotated": "VALID",
        "in grace": "VALID",
        "disabled": "DISABLED",
        "revoked": "REVOKED",
    },
    "metadata": "billing",
    "remaining": 99,
    "rotation": "grace",
    "listed": [True, "revoked", "superseded"],
    "error": [404, "api_key_not_found", "API key not found"],
}

Play = Callable[[dict[str, str]], str]


@pytest.fixture(scope="module")
def generators(
    server: Server, node_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Generators:
    """The generators, on the document that the server serves."""
    require("java", "default-jre-headless")
    folder = tmp_path_factory.mktemp("generated")
    document = folder / "openapi.json"
    document.write_bytes(server.request("GET", "/openapi.json").content)
    made = Generators(document, folder, node_modules)
    made.all()
    return made


@pytest.fixture(scope="module")
def typescript(
    generators: Generators, node_modules: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The clients of TypeScript, with the programs that use them, in one folder."""
    folder = tmp_path_factory.mktemp("typescript") / "project"
    return typescript_project(generators, node_modules, folder)


@pytest.fixture(scope="module")
def proxy(server: Server) -> Iterator[AddingProxy]:
    with adding_proxy(server.url) as running:
        yield running


def run(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """What a command prints. Raises AssertionError when it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder,
        env=unmeasured() | environment,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def play(
    generators: Generators, typescript: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Play]:
    """Each client's program: give it its environment."""
    programs = tmp_path_factory.mktemp("programs")

    def python(generator: str, program: str) -> Play:
        path = {"PYTHONPATH": str(generators.client(generator).folder)}
        command = [sys.executable, str(LIVES / program)]
        return lambda world: run(command, {**world, **path}, programs)

    def node(program: str) -> Play:
        bundle = programs / f"{program}.mjs"
        bundled = [
            "node_modules/.bin/esbuild", f"{program}.ts", "--bundle", "--platform=node",
            "--format=esm", f"--outfile={bundle}",
        ]  # fmt: skip
        run(bundled, {}, typescript)
        return lambda world: run(["node", str(bundle)], world, programs)

    def go() -> Play:
        folder = generators.client("go").folder
        (folder / "life").mkdir()
        (folder / "life" / "main.go").write_bytes((LIVES / "openapi_generator.go").read_bytes())
        run([go_program(), "build", "-o", str(programs / "life"), "./life"], OFFLINE, folder)
        return lambda world: run([str(programs / "life")], world, programs)

    return {
        "openapi-generator python": python("python", "openapi_generator_python.py"),
        "openapi-generator go": go(),
        "openapi-python-client": python("openapi-python-client", "openapi_python_client.py"),
        "openapi-fetch": node("openapi_fetch"),
        "hey-api": node("hey_api"),
    }


#: The generated module needs no other, and no newer Go than there is.
OFFLINE = {"GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}


def go_program() -> str:
    return require("go", "golang-go")


CLIENTS = [
    "openapi-generator python",
    "openapi-generator go",
    "openapi-python-client",
    "openapi-fetch",
    "hey-api",
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("through", ["the server", "the proxy that adds fields"])
def test_a_client_plays_the_life_of_a_key(
    client: str,
    through: str,
    play: dict[str, Play],
    server: Server,
    proxy: AddingProxy,
    tenant: Tenant,
) -> None:
    added = proxy.added
    printed = play[client](
        {
            "BASE_URL": server.url if through == "the server" else proxy.url,
            "API_KEY": tenant.key,
            "ORG_ID": tenant.org_id,
            "ENV_ID": tenant.env_id,
        }
    )
    assert json.loads(printed) == LIFE
    assert (proxy.added > added) is (through != "the server")


@pytest.mark.parametrize("name", OPENAPI_GENERATORS)
def test_openapi_generator_warns_of_nothing_else(generators: Generators, name: str) -> None:
    said = generators.client(name).said
    assert "writing file" in said
    warnings = set(re.findall(r"\b(?:WARN|ERROR) +\S+ - (.*)", said))
    assert warnings <= KNOWN_WARNINGS.get(name, set())


def test_openapi_python_client_leaves_nothing_out_but_the_document_as_yaml(
    generators: Generators,
) -> None:
    said = generators.client("openapi-python-client").said
    assert re.findall(r"WARNING parsing (.*) within", said) == ["GET /openapi.yaml"]


def test_no_schema_gets_a_name_of_a_generator(generators: Generators) -> None:
    """A schema that has no name of its own in the document is an InlineObject or the like."""
    schemas = json.loads(generators.document.read_bytes())["components"]["schemas"]
    folder = generators.client("typescript-fetch").folder / "models"
    models = {path.stem for path in folder.glob("*.ts")} - {"index"}
    assert models <= set(schemas)
    assert len(models) > 50


def test_the_clients_of_typescript_compile(typescript: Path) -> None:
    options: dict[str, Any] = {
        "strict": True,
        "noEmit": True,
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "lib": ["es2022", "dom", "dom.iterable"],
        "types": ["node"],
        "skipLibCheck": True,
    }
    config = {"compilerOptions": options, "include": ["*.ts", "hey_api_client", "typescript_fetch"]}
    (typescript / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    assert run(["node_modules/.bin/tsc", "--project", "."], {}, typescript) == ""


def test_the_client_of_go_passes_vet(generators: Generators) -> None:
    run([go_program(), "vet", "."], OFFLINE, generators.client("go").folder)
