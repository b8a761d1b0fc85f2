"""The image's steps, the compose file and the Kubernetes manifests, without a container engine (docs/scaling.md)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stream.run.config import load_config

DOCKER: Final = Path(__file__).parents[2] / "docker"
KUBERNETES: Final = DOCKER / "kubernetes"
KUBERNETES_VERSION: Final = "1.33"
NOT_APPLIED: Final = ("kustomization.yaml", "chain.yaml", "prometheus-adapter.yaml")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return found


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    """What the manifests ask for: as kubectl puts it together, or, without kubectl, the files as they are."""
    if shutil.which("kubectl"):
        command = ["kubectl", "kustomize", str(KUBERNETES)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return list(yaml.safe_load_all(text))
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    return [found for name in listed for found in yaml.safe_load_all((KUBERNETES / name).read_text())]


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {found["metadata"]["name"]: found for found in objects if found["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    owners = of_kind(objects, "Deployment") | of_kind(objects, "StatefulSet")
    return {name: owner["spec"]["template"] for name, owner in owners.items()}


def test_the_compose_file_is_what_its_published_schema_allows(compose: dict[str, Any]) -> None:
    schemas = files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((schemas / "compose-spec.json").read_text())
    jsonschema.validate(compose, schema)
    assert not list(jsonschema.Draft7Validator(schema).iter_errors(compose))


def test_the_compose_file_has_the_whole_chain_with_limits(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"run", "seeds", "score", "prometheus", "grafana", "mosquitto"} <= services.keys()
    assert services["seeds"]["scale"] == services["score"]["scale"] == 2
    assert all("mem_limit" in service for service in services.values())
    published = [port for service in services.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    used = [volume for service in services.values() for volume in service.get("volumes", ())]
    for source in (volume.partition(":")[0] for volume in used):
        assert source in compose["volumes"] or (DOCKER / source).is_dir()


def test_stages_do_not_get_the_secret_of_the_server(compose: dict[str, Any], objects: list[dict[str, Any]]) -> None:
    for name in ("seeds", "score"):
        assert compose["services"][name]["volumes"] == ["stage-keys:/keys:ro"]
    for name, pod in pods(objects).items():
        secrets = {volume["secret"]["secretName"] for volume in pod["spec"]["volumes"] if "secret" in volume}
        assert secrets == ({"server-keys"} if name == "run" else {"stage-keys"})


def test_every_manifest_is_what_kubernetes_schemas_allow(objects: list[dict[str, Any]]) -> None:
    for found in objects:
        kubernetes_validate.validate(found, KUBERNETES_VERSION, strict=True)
    kinds = {found["kind"] for found in objects}
    assert kinds >= {
        "Deployment",
        "StatefulSet",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "Service",
    }


def test_kustomize_uses_every_file() -> None:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(p.name for p in KUBERNETES.glob("*.yaml") if p.name not in NOT_APPLIED)


def test_every_container_is_limited_and_not_root(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects).values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"]
        for container in (*spec["containers"], *spec["initContainers"]):
            assert "memory" in container["resources"]["limits"]
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_selectors_find_their_pods_and_scalers_their_deployments(objects: list[dict[str, Any]]) -> None:
    labels = [pod["metadata"]["labels"] for pod in pods(objects).values()]
    wanted = [found["spec"]["selector"]["matchLabels"] for found in of_kind(objects, "PodDisruptionBudget").values()]
    wanted += [found["spec"]["selector"] for found in of_kind(objects, "Service").values()]
    policies = of_kind(objects, "NetworkPolicy").values()
    wanted += [found["spec"]["podSelector"].get("matchLabels", {}) for found in policies]
    for selector in wanted:
        assert any(selector.items() <= found.items() for found in labels)
    adapted = yaml.safe_load((KUBERNETES / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    for found in of_kind(objects, "HorizontalPodAutoscaler").values():
        assert found["spec"]["scaleTargetRef"]["name"] in of_kind(objects, "Deployment")
        for metric in found["spec"]["metrics"]:
            assert metric["external"]["metric"]["name"] in {rule["name"]["as"] for rule in adapted}


@pytest.mark.parametrize("path", ["chain/chain.yaml", "kubernetes/chain.yaml"])
def test_the_runs_ports_and_stages_are_those_of_the_manifests(
    path: str, tmp_path: Path, compose: dict[str, Any], objects: list[dict[str, Any]]
) -> None:
    config = load_config(DOCKER / path, (f"security.keys={tmp_path}",))
    assert config.seeds.external
    assert all(stage.external for stage in config.scores)
    stages = {"seeds", *(f"score:{stage.name}" for stage in config.scores)}
    port = config.network.control_port
    place = f"{config.network.advertise}:{port}"
    if path.startswith("chain"):
        commands = [compose["services"][name]["command"] for name in ("seeds", "score")]
        assert {command[command.index("--stage") + 1] for command in commands} == stages
        assert {command[command.index("--connect") + 1] for command in commands} == {place}
        assert config.network.advertise in compose["services"]
        (target,) = yaml.safe_load((DOCKER / "prometheus" / "targets" / "run.yml").read_text())
        host, _, metrics = target["targets"][0].partition(":")
        assert host in compose["services"]["run"]["networks"]["chain"]["aliases"]
    else:
        arguments = [
            deployed["spec"]["template"]["spec"]["containers"][0]["args"]
            for deployed in of_kind(objects, "Deployment").values()
        ]
        assert {a for args in arguments for a in args if a.startswith("--stage=")} == {f"--stage={s}" for s in stages}
        assert {a for args in arguments for a in args if a.startswith("--connect=")} == {f"--connect={place}"}
        (container,) = of_kind(objects, "StatefulSet")["run"]["spec"]["template"]["spec"]["containers"]
        ports = {found["name"]: found["containerPort"] for found in container["ports"]}
        assert ports == config.network.ports | {"metrics": int(str(config.metrics.address).rpartition(":")[2])}
        metrics = str(ports["metrics"])
    assert str(config.metrics.address).endswith(f":{metrics}")


def test_the_image_is_made_by_the_script_and_runs_without_root() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert len(stages) == 2
    assert "docker/install.sh" in stages[0]
    assert re.search(r"^USER \d+", stages[1], flags=re.MULTILINE)
    assert not re.search(r"g\+\+|gcc|build-essential", re.sub(r"^#.*$", "", stages[1], flags=re.MULTILINE))
    subprocess.run(["sh", "-n", str(DOCKER / "install.sh")], check=True)  # noqa: S607


@pytest.mark.heavy
@pytest.mark.timeout(900)
def test_the_script_installs_on_a_clean_machine(tmp_path: Path) -> None:
    """A new prefix, another folder, nothing of this environment: the demo runs."""
    access = {name: value for name, value in os.environ.items() if name == "HOME" or name.startswith("PIP_")}
    clean = access | {"PATH": "/usr/bin:/bin:/usr/local/bin", "PYTHON": sys.executable, "XDG_DATA_HOME": str(tmp_path)}
    prefix = tmp_path / "l1chain"
    command = [str(DOCKER / "install.sh"), str(prefix)]
    said = subprocess.run(command, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True).stdout
    assert said.startswith("l1chain ")
    again = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True)
    assert again.returncode == 2
    assert "has an l1chain already" in again.stderr
    demo = [
        str(prefix / "bin" / "l1chain"),
        "demo",
        "--set",
        "run.lumi_sections=1",
        "--out",
        str(tmp_path / "runs"),
        "--json",
    ]
    ended = subprocess.run(demo, cwd=tmp_path, env=clean, check=True, capture_output=True, text=True)
    result = json.loads(ended.stdout.splitlines()[-1])
    assert result["produced"] == result["decided"] > 0
