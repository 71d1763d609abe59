"""docker-compose.yml: valid, hardened, and the same processes as everywhere else."""

from __future__ import annotations

import copy
import importlib.util
import ipaddress
import json
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plumbline.settings import Settings
from services.dicom_listener.app import AFTER_DRAIN_S

_DURATION = Field(pattern=r"^\d+(ms|s|m|h)$")
_PINNED_IMAGE = Field(pattern=r"^[a-z0-9][a-z0-9./_-]*:[A-Za-z0-9_.-]*\d+\.?\d*[A-Za-z0-9_.-]*$")
_UNPRIVILEGED_USER = Field(pattern=r"^[1-9]\d*:\d+$")


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Build(Strict):
    context: str
    dockerfile: str


class HealthCheck(Strict):
    test: list[str] = Field(min_length=2)
    interval: str = _DURATION
    timeout: str = _DURATION
    retries: int = Field(ge=1)
    start_period: str = Field(default="0s", pattern=r"^\d+(s|m)$")


class Dependency(Strict):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]


class Attachment(Strict):
    ipv4_address: str | None = None


class LogOptions(Strict):
    max_size: str = Field(alias="max-size")
    max_file: str = Field(alias="max-file")


class Logging(Strict):
    driver: Literal["json-file", "local", "journald"]
    options: LogOptions


class Service(Strict):
    image: str = _PINNED_IMAGE
    build: Build | None = None
    user: str = _UNPRIVILEGED_USER
    hostname: str | None = None
    command: list[str] | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"]
    read_only: Literal[True]
    cap_drop: list[Literal["ALL"]] = Field(min_length=1)
    security_opt: list[Literal["no-new-privileges:true"]] = Field(min_length=1)
    tmpfs: list[str] = []
    logging: Logging
    environment: dict[str, str] = {}
    secrets: list[str] = []
    volumes: list[str] = []
    networks: list[str] | dict[str, Attachment]
    ports: list[str] = []
    depends_on: dict[str, Dependency] = {}
    healthcheck: HealthCheck
    stop_grace_period: str = Field(default="10s", pattern=r"^\d+s$")


class Subnet(Strict):
    subnet: str


class AddressPlan(Strict):
    config: list[Subnet]


class Network(Strict):
    internal: bool = False
    ipam: AddressPlan | None = None


class Volume(Strict):
    driver: str | None = None
    driver_opts: dict[str, str] = {}


class Secret(Strict):
    file: str


class Compose(BaseModel):
    """A whole file; top-level keys beginning with x- are free."""

    model_config = ConfigDict(extra="allow")

    name: str
    services: dict[str, Service]
    networks: dict[str, Network]
    volumes: dict[str, Volume]
    secrets: dict[str, Secret]


@pytest.fixture(scope="session")
def valid(compose: dict[str, Any]) -> Compose:
    return Compose.model_validate(compose)


@pytest.fixture(scope="session")
def specification(house: Path) -> jsonschema_rs.Draft7Validator:
    """The published schema of the Compose Specification."""
    return jsonschema_rs.Draft7Validator(json.loads((house / "tests/data/compose-spec/compose-spec.json").read_text()))


def test_compose_follows_the_specification(
    compose: dict[str, Any], specification: jsonschema_rs.Draft7Validator
) -> None:
    assert [error.message for error in specification.iter_errors(compose)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("imagee", "x"),
        ("healthcheck", {"interval": []}),
        ("ports", "80"),
        ("depends_on", {"redis": {"condition": "up"}}),
    ],
)
def test_the_specification_refuses_what_compose_would_refuse(
    compose: dict[str, Any], specification: jsonschema_rs.Draft7Validator, key: str, value: object
) -> None:
    wrong = copy.deepcopy(compose)
    wrong["services"]["api"][key] = value
    assert not specification.is_valid(wrong)


def test_there_is_every_part_of_a_site(valid: Compose) -> None:
    assert {"postgres", "redis", "orthanc", "listener", "api", "prometheus", "grafana"} <= valid.services.keys()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "redis:latest"),
        ("image", "redis"),
        ("user", "0:0"),
        ("read_only", False),
        ("cap_drop", []),
        ("security_opt", ["no-new-privileges:false"]),
        ("healthcheck", {"test": ["CMD", "true"], "interval": "10", "timeout": "5s", "retries": 3}),
        ("privileged", True),
        ("helthcheck", {}),
    ],
)
def test_a_service_that_is_not_pinned_hardened_and_watched_is_refused(
    compose: dict[str, Any], key: str, value: object
) -> None:
    weakened = copy.deepcopy(compose)
    weakened["services"]["redis"][key] = value
    with pytest.raises(ValidationError):
        Compose.model_validate(weakened)


def test_commands_are_those_of_the_process_list(valid: Compose, processes: dict[str, Any]) -> None:
    listed = {
        process["name"]: [word.format(**processes["compose"]) for word in process["command"]]
        for process in processes["process"]
    }
    composed = {name: service.command for name, service in valid.services.items() if name in listed}
    assert composed == listed


def test_every_command_that_an_image_runs_exists(valid: Compose, processes: dict[str, Any]) -> None:
    """Programs of Plumbline in this environment; those of others where their Debian package is installed."""
    for process in processes["process"]:
        command = valid.services[process["name"]].command
        assert command is not None
        if command[0] == "python":
            assert importlib.util.find_spec(f"{command[2]}.__main__") is not None, command
        elif command[0] == "celery":
            application = import_module(command[2])
            assert callable(application.app.start), command
        else:
            assert shutil.which(command[0], path="/usr/sbin:/usr/bin") or process["kind"] == "server", command


def test_every_service_beyond_the_process_list_is_a_server_of_others(valid: Compose, processes: dict[str, Any]) -> None:
    beyond = valid.services.keys() - {process["name"] for process in processes["process"]}
    assert beyond == {"postgres", "prometheus", "grafana"}


def test_every_process_gets_the_variables_it_reads(valid: Compose, processes: dict[str, Any]) -> None:
    for process in processes["process"]:
        if process["kind"] == "plumbline":
            assert (
                set(processes["kind"]["plumbline"]["environment"]) <= valid.services[process["name"]].environment.keys()
            )


def test_health_checks_ask_what_the_process_list_says(valid: Compose, processes: dict[str, Any]) -> None:
    for process in processes["process"]:
        question = " ".join(valid.services[process["name"]].healthcheck.test)
        ready = process.get("ready", {})
        if "http" in ready and process["kind"] == "plumbline":
            assert f"127.0.0.1:{ready['http']}{ready['path']}" in question
        if "tcp" in ready and process["kind"] == "plumbline":
            assert str(ready["tcp"]) in question
        if "celery" in ready:
            assert f"ping --timeout 10 --destination {ready['celery']}" in question


def test_whatever_a_service_names_is_declared(valid: Compose) -> None:
    for name, service in valid.services.items():
        assert set(service.networks) <= valid.networks.keys(), name
        assert set(service.secrets) <= valid.secrets.keys(), name
        assert service.depends_on.keys() <= valid.services.keys(), name
        named_volumes = {volume.split(":")[0] for volume in service.volumes if not volume.startswith(".")}
        assert named_volumes <= valid.volumes.keys(), name


def test_whatever_is_mounted_or_built_from_the_repository_exists_there(valid: Compose, house: Path) -> None:
    mounted = [volume.split(":")[0] for service in valid.services.values() for volume in service.volumes]
    built = [service.build.dockerfile for service in valid.services.values() if service.build]
    for path in [*(volume for volume in mounted if volume.startswith(".")), *built]:
        assert (house / path).exists(), path


def test_secrets_are_files_and_never_values(valid: Compose) -> None:
    for name, service in valid.services.items():
        for variable, value in service.environment.items():
            if any(word in variable for word in ("PASSWORD", "PASSFILE", "SECRET", "TOKEN")):
                assert value.removeprefix("/run/secrets/") in service.secrets, f"{name}: {variable}"
            assert not re.search(r"://[^/@]*:[^/@]*@", value), f"{name}: {variable} holds a password"


def test_only_archive_orders_and_worklist_are_open_to_the_network(valid: Compose) -> None:
    opened = {
        (name, port)
        for name, service in valid.services.items()
        for port in service.ports
        if not port.startswith("127.0.0.1:")
    }
    assert opened == {("orthanc", "4242:4242"), ("hl7-listener", "2575:2575"), ("api", "8080:8080")}


def test_the_settings_file_is_one_that_the_processes_accept(house: Path, valid: Compose) -> None:
    settings = Settings(**yaml.safe_load((house / "deploy/settings.yaml").read_text()))
    assert settings.orthanc.password_file is not None
    assert settings.orthanc.password_file.name in valid.services["api"].secrets
    assert str(settings.data_dir) in {volume.split(":")[1] for volume in valid.services["listener"].volumes}


def test_the_listener_has_time_to_let_associations_finish(house: Path, valid: Compose) -> None:
    settings = Settings.model_validate(yaml.safe_load((house / "deploy/settings.yaml").read_text()))
    has_s = int(valid.services["listener"].stop_grace_period.removesuffix("s"))
    assert has_s > settings.listener.drain_s + AFTER_DRAIN_S


def test_who_says_what_is_open_now_is_known_again_after_a_restart(valid: Compose) -> None:
    for name in ("listener", "hl7-listener"):
        assert valid.services[name].hostname == name


def test_the_listener_admits_the_archive_at_its_fixed_address_only(house: Path, valid: Compose) -> None:
    settings = Settings(**yaml.safe_load((house / "deploy/settings.yaml").read_text()))
    networks = valid.services["orthanc"].networks
    assert isinstance(networks, dict)
    address = networks["inside"].ipv4_address
    assert [peer.addresses for peer in settings.listener.peers] == [(address,)]
    plan = valid.networks["inside"].ipam
    assert plan is not None
    assert ipaddress.ip_address(str(address)) in ipaddress.ip_network(plan.config[0].subnet)


def test_every_secret_is_explained_to_who_must_write_it(house: Path, valid: Compose) -> None:
    operations = (house / "docs/operations.md").read_text(encoding="utf-8")
    section = re.split(r"^#+ ", operations.partition("# Secrets\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE))
    assert explained == {Path(secret.file).name for secret in valid.secrets.values()}
    assert {Path(secret.file).parent for secret in valid.secrets.values()} == {Path("deploy/secrets")}
