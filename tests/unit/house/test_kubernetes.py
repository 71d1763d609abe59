"""deploy/kubernetes: valid, hardened, the processes of the list, and settings, secrets and names that exist."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from plumbline.settings import Settings

HOUSE = Path(__file__).parents[3]
KUBERNETES = HOUSE / "deploy/kubernetes"
BASE, EXAMPLE = KUBERNETES / "base", KUBERNETES / "overlays/example"
VERSION = "1.31"
OWN_KINDS = {"ScaledObject"}
"""Kinds that an operator adds; Kubernetes has no schema of them."""
SCALED_OBJECT_KEYS = {
    "scaleTargetRef",
    "minReplicaCount",
    "maxReplicaCount",
    "pollingInterval",
    "cooldownPeriod",
    "fallback",
    "advanced",
    "triggers",
}

Resource = dict[str, Any]


def kustomization(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "kustomization.yaml").read_text())


def resources_of(folder: Path) -> Iterator[Resource]:
    """Everything that a kustomization makes but what it generates from files."""
    for name in kustomization(folder).get("resources", ()):
        path = folder / name
        if path.is_dir():
            yield from resources_of(path)
        else:
            yield from yaml.safe_load_all(path.read_text())


RESOURCES = list(resources_of(BASE))
WORKLOADS = {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] in ("Deployment", "StatefulSet")}


def named(kind: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in RESOURCES if each["kind"] == kind}


def pod(name: str) -> dict[str, Any]:
    return WORKLOADS[name]["spec"]["template"]["spec"]


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    return only


def environment(name: str) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(name).get("env", ())}


def refusal(resource: Resource) -> str | None:
    """Why Kubernetes would refuse a resource; None where it accepts it."""
    try:
        kubernetes_validate.validate(resource, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    "resource",
    [each for each in RESOURCES if each["kind"] not in OWN_KINDS],
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_kubernetes_accepts_it(resource: Resource) -> None:
    assert refusal(resource) is None


def test_kubernetes_would_refuse_a_wrong_key() -> None:
    wrong = {**WORKLOADS["api"], "spec": {**WORKLOADS["api"]["spec"], "replica": 2}}
    assert "replica" in (refusal(wrong) or "")


def test_the_workloads_are_the_processes_of_the_list_with_their_commands(processes: dict[str, Any]) -> None:
    beyond = {"postgres", "prometheus", "grafana"}
    assert WORKLOADS.keys() - beyond == {process["name"] for process in processes["process"]}
    for process in processes["process"]:
        listed = [word.format(**processes["compose"]) for word in process["command"]]
        command = container(process["name"])["command"]
        assert (command[1:] if command[0] == "with-secrets" else command) == listed


def test_images_are_those_of_compose(compose: dict[str, Any]) -> None:
    assert {name: container(name)["image"] for name in WORKLOADS} == {
        name: service["image"] for name, service in compose["services"].items()
    }


@pytest.mark.parametrize("name", WORKLOADS)
def test_every_pod_is_one_that_the_restricted_standard_admits_and_is_watched(name: str) -> None:
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["securityContext"]["runAsUser"] > 0
    assert pod(name)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(name)["enableServiceLinks"] is False, "the variables of Services would look like settings"
    assert pod(name)["automountServiceAccountToken"] is False
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "livenessProbe" in container(name) and "startupProbe" in container(name)
    assert container(name)["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in container(name)["resources"]["limits"]


@pytest.mark.parametrize("name", WORKLOADS)
def test_volumes_mounts_and_claims_belong_together(name: str) -> None:
    spec = WORKLOADS[name]["spec"]
    claimed = {each["metadata"]["name"] for each in spec.get("volumeClaimTemplates", ())}
    volumes = {each["name"]: each for each in pod(name)["volumes"]}
    assert {mount["name"] for mount in container(name)["volumeMounts"]} == volumes.keys() | claimed
    for volume in volumes.values():
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in named("PersistentVolumeClaim")
        if "configMap" in volume:
            assert volume["configMap"]["name"] in generated("configMapGenerator", BASE)
        if "secret" in volume:
            assert volume["secret"]["secretName"] in generated("secretGenerator", EXAMPLE)


def generated(kind: str, folder: Path) -> dict[str, list[Path]]:
    """What a kustomization and those it takes in make from files."""
    own = kustomization(folder)
    made = {each["name"]: [folder / file for file in each["files"]] for each in own.get(kind, ())}
    for name in own.get("resources", ()):
        if (folder / name).is_dir():
            made |= {key: files for key, files in generated(kind, folder / name).items() if key not in made}
    return made


def test_files_that_maps_are_made_from_exist() -> None:
    for files in generated("configMapGenerator", EXAMPLE).values():
        for file in files:
            assert file.is_file(), file


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_settings_are_ones_that_the_processes_accept_and_name_secrets_that_are_mounted(folder: Path) -> None:
    settings = Settings(**yaml.safe_load((folder / "settings.yaml").read_text()))
    secrets = {file.name for file in generated("secretGenerator", EXAMPLE)["plumbline-secrets"]}
    for path in (settings.orthanc.password_file, settings.database_password_file):
        assert path is not None
        assert path.parent == Path("/run/secrets")
        assert path.name in secrets
    mounts = {mount["mountPath"] for mount in container("listener")["volumeMounts"]}
    assert str(settings.data_dir) in mounts
    services = named("Service")
    assert re.search(r"@(\w+):", settings.database_url or "")[1] in services  # type: ignore[index]
    assert settings.redis_url == "redis://redis:6379/0"
    assert settings.orthanc.url == "http://orthanc:8042"


def test_variables_are_settings_or_what_the_process_list_names(processes: dict[str, Any]) -> None:
    kinds = processes["kind"]["plumbline"]["environment"]
    by_name = {process["name"]: process for process in processes["process"]}
    for name in WORKLOADS:
        for variable in environment(name):
            if not variable.startswith("PLUMBLINE_") or variable in kinds:
                continue
            if variable in by_name.get(name, {}).get("environment", ()):
                continue
            section, _, key = variable.removeprefix("PLUMBLINE_").lower().partition("__")
            annotation = Settings.model_fields[section].annotation
            assert key in annotation.model_fields, variable  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["listener", "hl7-listener", "api", "dispatcher"])
def test_modules_of_the_commands_can_be_run(name: str) -> None:
    assert importlib.util.find_spec(container(name)["command"][2] + ".__main__") is not None


def test_services_lead_to_ports_that_pods_open() -> None:
    for name, service in named("Service").items():
        process = service["spec"]["selector"]["process"]
        opened = {port["containerPort"] for port in container(process)["ports"]}
        assert {port["port"] for port in service["spec"]["ports"]} <= opened, name


def test_what_there_are_several_of_is_kept_from_going_down_together() -> None:
    budgets = {each["spec"]["selector"]["matchLabels"]["process"] for each in named("PodDisruptionBudget").values()}
    several = {name for name, each in WORKLOADS.items() if each["spec"].get("replicas") != 1}
    assert budgets == several
    assert WORKLOADS["beat"]["spec"]["strategy"] == {"type": "Recreate"}, "there must never be two"


def test_several_listeners_are_behind_one_address_that_leaves_the_senders_theirs() -> None:
    assert WORKLOADS["listener"]["spec"]["replicas"] > 1
    assert named("Service")["listener"]["spec"]["externalTrafficPolicy"] == "Local"
    assert named("PersistentVolumeClaim")["spool"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_probes_ask_addresses_that_the_api_has() -> None:
    from services.worklist_api.health import router

    known = {route.path for route in router.routes}  # type: ignore[attr-defined]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container("api")[kind]["httpGet"]["path"] in known


def test_everything_is_closed_but_what_is_opened_by_name() -> None:
    policies = named("NetworkPolicy")
    assert policies["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for rule in policy["spec"].get("ingress", ()):
            for each in policy["spec"]["podSelector"].get("matchLabels", {}).items():
                pods = [n for n, w in WORKLOADS.items() if each in w["spec"]["template"]["metadata"]["labels"].items()]
                opened = {port["containerPort"] for n in pods for port in container(n).get("ports", ())}
                assert {port["port"] for port in rule["ports"]} <= opened, name
            for process in re.findall(r"'values': \[([^]]*)\]", str(rule.get("from", ""))):
                assert {each.strip(" '") for each in process.split(",")} <= WORKLOADS.keys(), name


def test_workers_are_scaled_by_a_metric_that_exists_and_never_to_none() -> None:
    from plumbline.pipeline.path import MEASURE_QUEUE

    scaled = named("ScaledObject")["worker-measure"]["spec"]
    assert scaled.keys() <= SCALED_OBJECT_KEYS
    assert scaled["scaleTargetRef"]["name"] in WORKLOADS
    assert "replicas" not in WORKLOADS["worker-measure"]["spec"], "KEDA says how many"
    assert scaled["minReplicaCount"] >= 1
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["query"] == f'max(plumbline_queue_oldest_seconds{{queue="{MEASURE_QUEUE}"}})'
    assert trigger["metadata"]["serverAddress"] == "http://prometheus:9090"
    source = (HOUSE / "services/worklist_api/standing.py").read_text()
    assert '"plumbline_queue_oldest_seconds"' in source


def test_prometheus_finds_every_process_that_counts() -> None:
    configuration = yaml.safe_load((HOUSE / "deploy/prometheus/kubernetes.yml").read_text())
    found = {
        (name, each["port"])
        for job in configuration["scrape_configs"]
        for each in job["dns_sd_configs"]
        for name in each["names"]
    }
    headless = {
        (name, service["spec"]["ports"][0]["port"])
        for name, service in named("Service").items()
        if service["spec"].get("clusterIP") == "None"
    }
    assert found == headless
    plumbline = {name for name in WORKLOADS if "PLUMBLINE_SETTINGS" in environment(name)}
    assert {name.removesuffix("-metrics") for name, _ in headless} == plumbline - {"beat"}


def test_the_overlay_changes_only_what_the_base_has() -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in RESOURCES}
    for patch in kustomization(EXAMPLE)["patches"]:
        changed = yaml.safe_load((EXAMPLE / patch["path"]).read_text())
        assert (changed["kind"], changed["metadata"]["name"]) in there
    assert {each["name"] for each in kustomization(EXAMPLE)["images"]} <= {
        container(name)["image"].partition(":")[0] for name in WORKLOADS
    }


def test_kustomize_builds_the_overlay(tmp_path: Path) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed; the overlay is only parsed")
    shutil.copytree(HOUSE / "deploy", tmp_path / "deploy")
    example = tmp_path / EXAMPLE.relative_to(HOUSE)
    for secret in kustomization(EXAMPLE)["secretGenerator"][0]["files"]:
        (example / secret).write_text("for a test")
    done = subprocess.run(
        [kubectl, "kustomize", str(example)],
        env={"PATH": os.environ["PATH"], "KUBECONFIG": os.devnull, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    built = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    assert built["ScaledObject", "worker-measure"]["spec"]["maxReplicaCount"] == 24
    image = built["Deployment", "api"]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example/plumbline:0.1.0"
    for resource in built.values():
        if resource["kind"] not in OWN_KINDS:
            kubernetes_validate.validate(resource, VERSION, strict=True)
