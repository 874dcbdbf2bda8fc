"""What linters do not see: the files of deploy/ agree with each other and with the service."""

import ipaddress
import os
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from deploy.topology import COMPOSE, DEPLOY, ROOT, SERVICES
from support.readme import table

import hookstream_keys
from hookstream_keys.server.processes import GRACE_SECONDS

DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
NGINX = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
SETTINGS = {row[0].strip("`") for row in table("Configuration")}
MANIFESTS: list[dict[str, Any]] = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]
PODS: dict[str, dict[str, Any]] = {
    each["kind"]: each["spec"]["template"]
    for each in MANIFESTS
    if "template" in each.get("spec", {})
}
CONTAINERS = {kind: pod["spec"]["containers"][0] for kind, pod in PODS.items()}


def instructions(name: str) -> list[str]:
    """The arguments of the Dockerfile's instructions of this name."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.+)$", joined, re.MULTILINE)


def test_the_image_runs_as_a_user_that_is_no_root() -> None:
    assert instructions("USER") == ["10001:10001"]
    for pod in PODS.values():
        context = pod["spec"]["securityContext"]
        assert (context["runAsNonRoot"], context["runAsUser"]) == (True, 10001)
    for name, service in SERVICES.items():
        if service["image"].startswith("hookstream-keys:"):
            # The image's own user, to whom its temporary folders belong.
            assert "user" not in service
            assert all("uid=10001" in each for each in service["tmpfs"]), name
        else:
            uid, gid = service["user"].split(":")
            assert int(uid) > 0 < int(gid)
            assert all(f"uid={uid}" in each for each in service["tmpfs"]), name


def test_no_instruction_of_the_image_needs_a_shell() -> None:
    for name in ("RUN", "ENTRYPOINT", "CMD", "VOLUME"):
        found = instructions(name)
        assert found
        assert all(each.startswith("[") for each in found), found
    (check,) = instructions("HEALTHCHECK")
    assert " CMD [" in check
    assert instructions("STOPSIGNAL") == ["SIGTERM"]


def test_the_image_installs_by_hash_only() -> None:
    installs = [each for each in instructions("RUN") if '"pip"' in each]
    assert len(installs) == 4
    for each in installs:
        assert '"--require-hashes"' in each or '"--no-index"' in each, each


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & set(service)
    assert all(each.endswith(":ro") for each in service.get("volumes", []) if each.startswith("."))


@pytest.mark.parametrize("kind", PODS)
def test_the_pods_are_restricted(kind: str) -> None:
    """The profile `restricted` of Kubernetes' Pod Security Standards, and a read-only root."""
    pod, container = PODS[kind]["spec"], CONTAINERS[kind]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    # docs/operation.md: otherwise the server refuses to start.
    assert pod["enableServiceLinks"] is False
    writable = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/tmp", "/data"}  # noqa: S108
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert all("emptyDir" in volumes[name] for name in ("tmp", "data"))
    # deploy/README.md names the file in the database's URL.
    assert volumes["authority"]["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    assert set(container["resources"]["limits"]) == {"memory"}


def test_every_image_has_a_version() -> None:
    bases = instructions("FROM")
    images = [service["image"] for service in SERVICES.values()]
    images += [container["image"] for container in CONTAINERS.values()]
    for image in [*(base.removesuffix(" AS build") for base in bases), *images]:
        assert re.fullmatch(r"[a-z-]+:\d+(\.\d+)+|[a-z-]+:\d+(\.\d+)*-[a-z-]*bookworm", image), (
            image
        )


def test_the_version_is_that_of_the_package() -> None:
    version = re.escape(hookstream_keys.__version__)
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            found = re.findall(r"hookstream-keys:(\d[\w.]*\w)|image\.version=\"(.+?)\"", text)
            assert all(re.fullmatch(version, one or other) for one, other in found), path


def test_every_setting_is_one_of_the_readme() -> None:
    used = {
        name
        for path in (*DEPLOY.rglob("*"), ROOT / "docs" / "scaling.md")
        if path.is_file()
        for name in re.findall(
            r"\b(?:HOOKSTREAM|BETTER_AUTH)_[A-Z_]+[A-Z]\b", path.read_text("utf-8")
        )
    }
    assert {"HOOKSTREAM_DATABASE", "HOOKSTREAM_TRUSTED_PROXIES", "BETTER_AUTH_SECRET"} <= used
    # The second is what Kubernetes would set for a Service.
    assert used - SETTINGS <= {"HOOKSTREAM_KEYS_PORT"}


def test_every_file_that_is_mounted_exists() -> None:
    made = re.findall(r"^for name in (.+); do$", (DEPLOY / "secrets.sh").read_text("utf-8"), re.M)
    secrets = {f"secrets/{name}" for name in (*made[0].split(), "pgpass", "signing.env")}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            exists = source in COMPOSE["volumes"] or (DEPLOY / source).is_file()
            assert exists, (name, volume)
        assert {each["path"] for each in service.get("env_file", [])} <= secrets
        assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()
    assert {each["file"] for each in COMPOSE["secrets"].values()} <= secrets
    for script in DEPLOY.rglob("*.sh"):
        assert os.access(script, os.X_OK), script
    for source in " ".join(instructions("COPY")).replace("--from=build /opt/", "").split():
        assert (ROOT / source).exists() or source in (
            "./",
            "/opt/hookstream-keys",
            "hookstream-keys",
        )


def test_no_secret_is_in_an_environment_that_has_a_file_for_it() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            assert not re.search(r"(PASSWORD|SECRETS?|TOKEN)$", variable), (name, variable)
            assert urlsplit(str(value)).password is None, (name, variable)


def test_the_ports_agree() -> None:
    (port,) = instructions("EXPOSE")
    assert re.findall(r"HOOKSTREAM_PORT=(\d+)", DOCKERFILE) == [port]
    assert re.findall(r"^\s+server (\w+):(\d+) ", NGINX, re.M) == [
        ("node1", port),
        ("node2", port),
    ]
    assert {"node1", "node2"} <= SERVICES.keys()
    (listen,) = re.findall(r"^\s+listen (\d+);", NGINX, re.M)
    (published,) = SERVICES["nginx"]["ports"]
    # To this machine only, as long as there is no certificate.
    assert re.fullmatch(rf"127\.0\.0\.1:\d+:{listen}", published)
    assert f":{listen}/" in SERVICES["nginx"]["healthcheck"]["test"][-1]
    assert f"'127.0.0.1', {port}, " in SERVICES["node1"]["healthcheck"]["test"][-1]
    server = CONTAINERS["Deployment"]
    assert server["ports"] == [{"name": "http", "containerPort": int(port)}]
    services = [each for each in MANIFESTS if each["kind"] == "Service"]
    assert [each["spec"]["ports"][0]["targetPort"] for each in services] == ["http"]


def test_the_nodes_trust_nginx_and_no_other_address() -> None:
    nginx = SERVICES["nginx"]["networks"]["front"]["ipv4_address"]
    (front,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    addresses = {nginx}
    for name in ("node1", "node2"):
        assert SERVICES[name]["environment"]["HOOKSTREAM_TRUSTED_PROXIES"] == nginx
        addresses.add(SERVICES[name]["networks"]["front"]["ipv4_address"])
    assert len(addresses) == 3
    network = ipaddress.ip_network(front["subnet"])
    assert all(ipaddress.ip_address(each) in network for each in addresses)


def test_only_nginx_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    inside = {name for name, network in COMPOSE["networks"].items() if network.get("internal")}
    assert inside == {"front", "back"}
    for name, service in SERVICES.items():
        if name != "nginx":
            assert set(service["networks"]) <= inside, name


def test_a_stop_has_the_time_that_the_service_takes() -> None:
    seconds = GRACE_SECONDS + 5
    for name in ("node1", "node2"):
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > seconds
    server = CONTAINERS["Deployment"]
    wait = int(server["lifecycle"]["preStop"]["exec"]["command"][-1])
    assert PODS["Deployment"]["spec"]["terminationGracePeriodSeconds"] > seconds + wait


def test_the_probes_ask_for_what_they_are_for() -> None:
    server = CONTAINERS["Deployment"]
    paths = {
        name: server[name]["httpGet"]["path"]
        for name in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    assert paths == {
        "startupProbe": "/v1/health",
        "livenessProbe": "/v1/health",
        "readinessProbe": "/v1/health/ready",
    }
    (check,) = instructions("HEALTHCHECK")
    assert "'/v1/health'" in check
    assert "'/v1/health/ready'" in SERVICES["node1"]["healthcheck"]["test"][-1]


def test_the_selectors_select_the_servers() -> None:
    labels = PODS["Deployment"]["metadata"]["labels"]
    selectors = {
        each["kind"]: each["spec"]["selector"]
        for each in MANIFESTS
        if "selector" in each.get("spec", {})
    }
    assert set(selectors) == {"Deployment", "PodDisruptionBudget", "Service"}
    for kind, selector in selectors.items():
        assert selector.get("matchLabels", selector) == labels, kind
    assert PODS["Job"]["metadata"]["labels"].items() & labels.items() != labels.items()
    (deployment,) = [each for each in MANIFESTS if each["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] >= 2


def test_nginx_never_repeats_what_is_not_idempotent() -> None:
    configuration = re.sub(r"#.*", "", NGINX)
    assert "non_idempotent" not in configuration
    assert configuration.count("proxy_next_upstream_tries 2;") == 1


def test_the_secrets_are_made_once_and_for_their_readers(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("the script gives files to other users, which only root can do")
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    script.chmod(0o700)
    subprocess.run([script], check=True)
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o777 == 0o700
    owners = {each.name: each.stat().st_uid for each in folder.iterdir()}
    expected = {each["file"].partition("/")[2] for each in COMPOSE["secrets"].values()}
    assert set(owners) == expected | {"signing.env"}
    assert owners["pgpass"] == 10001
    assert owners["postgres_password"] == owners["replicator_password"] == 999
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in folder.iterdir())
    made = {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}
    assert re.fullmatch(r"BETTER_AUTH_SECRET=[0-9a-f]{64}\n", made["signing.env"])
    assert made["pgpass"] == f"*:*:*:hookstream:{made['hookstream_password']}\n"
    assert len(set(made.values())) == len(made)
    again = subprocess.run([script], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "exists; nothing was changed" in again.stderr
    assert {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()} == made
