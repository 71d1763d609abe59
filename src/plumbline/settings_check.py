"""``plumbline check-config``: every problem of settings, environment, secrets and site files at once.

Looks at files and names only: nothing is started, and no other system is asked whether it is there.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource
from pydantic_settings.exceptions import SettingsError

from plumbline.errors import Misconfigured
from plumbline.observability.tracing import require_packages
from plumbline.settings import SETTINGS_FILE_VARIABLE, DimseRemote, Settings, SettingsFile
from plumbline.settings_problems import Problem, nearest, problems_in
from plumbline.site_policy import policy_faults

PREFIX = "PLUMBLINE_"
NOT_SETTINGS = frozenset({"SETTINGS", "HOST", "PORT", "AET", "MODALITY", "ROUTER"})
"""Ends of variables that are no settings: where the settings file is, and what Orthanc's configuration takes."""
OF_TESTS = ("TEST_", "FUZZ_", "KILL_", "STOP_")
DEFAULT = "default"
SECRET_SUFFIXES = ("password_file", "secret_file", "token_file", "tls.key")
TEXT_SUFFIXES = ("password_file", "token_file")
"""Files that are read as text; keys, certificates and what signs webhooks are bytes, and rules are read whole below."""
OTHER_FILES = ("tls.certificate", "tls.authorities", "site.triage_rules")
_PASSWORD_FILES = {
    "database_url": "database_password_file",
    "redis_url": "redis_password_file",
    "orthanc.url": "orthanc.password_file",
}
_EVERY_ADDRESS = ("0.0.0.0", "::")
_OTHERS_MAY_READ = 0o004
_PASSWORD_IN_URL = re.compile(r"(://[^/@:]*:)[^/@]+@")


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """One value that counts, as JSON with passwords masked, and where it comes from."""

    key: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class SettingsReport:
    """What a look at the settings came to; ``effective`` is empty where they cannot be read at all."""

    problems: tuple[Problem, ...]
    effective: tuple[EffectiveSetting, ...]


class _AsGiven(Settings):
    """Settings from arguments alone, for sections that are right beside sections that are not."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, and nothing else."""
        return (init_settings,)


def check_settings() -> SettingsReport:
    """Look at the environment, the file it names, and every file that is named there."""
    problems = list(_unknown_variables(os.environ))
    from_file = _layer(SettingsFile(Settings), problems)
    from_environment = _layer(EnvSettingsSource(Settings), problems)
    given = _merged(from_file, from_environment)
    settings = _validated(given, problems)
    problems += _beyond_the_model(settings)
    sources = {**{key: _file_name() for key in _leaves(from_file)}, **_variables(from_environment)}
    return SettingsReport(tuple(problems), tuple(_effective(settings, sources)))


def _layer(source: Callable[[], dict[str, Any]], problems: list[Problem]) -> dict[str, Any]:
    """Values of one source; what cannot be read is a problem and has none."""
    try:
        return source()
    except Misconfigured as error:
        problems.append(Problem(SETTINGS_FILE_VARIABLE, f"{error.where}: {error.what}", error.remedy))
    except SettingsError as error:
        problems.append(Problem(f"{PREFIX}*", f"a variable is not JSON ({error})"))
    return {}


def _validated(given: dict[str, Any], problems: list[Problem]) -> Settings:
    """Settings of all sections that are right; the others are left at their defaults and told."""
    try:
        return _AsGiven(**given)
    except ValidationError as error:
        problems += problems_in(error, Settings)
        wrong = {each["loc"][0] for each in error.errors()}
        return _AsGiven(**{name: value for name, value in given.items() if name not in wrong})


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[Problem]:
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX).partition("__")[0]
        if variable.startswith(PREFIX) and name not in NOT_SETTINGS and not name.startswith(OF_TESTS):
            known = [key.upper() for key in Settings.model_fields]
            if name not in known:
                yield Problem(variable, "there is no such setting", nearest(name, known, prefix=PREFIX))


def _beyond_the_model(settings: Settings) -> Iterator[Problem]:
    """What a type cannot tell: files, addresses, rules, names that refer to each other."""
    yield from _files(settings)
    yield from _urls(settings)
    yield from _ports(settings)
    yield from _peers(settings)
    folder = next(
        each for each in (settings.data_dir.absolute(), *settings.data_dir.absolute().parents) if each.exists()
    )
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield Problem("data_dir", f"{folder} is no folder that this user may write to")
    try:
        require_packages(settings.tracing)
    except Misconfigured as error:
        yield Problem("tracing.endpoint", error.what, error.remedy)
    for fault in policy_faults(settings):
        yield Problem(fault.where or "site", fault.what, (fault.remedy or "").rstrip(".") or None)


def _files(settings: Settings) -> Iterator[Problem]:
    for key, path in _paths(settings):
        is_secret = key.endswith(SECRET_SUFFIXES)
        if not is_secret and not key.endswith(OTHER_FILES):
            continue
        try:
            content = path.read_bytes()
        except OSError as error:
            yield Problem(key, f"{path} cannot be read ({error.strerror})", "Write it, or give this user the right")
            continue
        if key.endswith(TEXT_SUFFIXES) and not _is_utf_8(content):
            yield Problem(key, f"{path} is not UTF-8", "Save it as UTF-8")
        if not content.strip():
            yield Problem(key, f"{path} is empty")
        if is_secret and path.stat().st_mode & _OTHERS_MAY_READ:
            yield Problem(key, f"{path} holds a secret and everybody may read it", f"chmod o= {path}")


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _paths(section: BaseModel, prefix: str = "") -> Iterator[tuple[str, Path]]:
    """Every path of the settings with its key."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        items = enumerate(value) if isinstance(value, tuple) else ()
        if isinstance(value, Path):
            yield f"{prefix}{name}", value
        elif isinstance(value, BaseModel):
            yield from _paths(value, f"{prefix}{name}.")
        for number, item in items:
            if isinstance(item, BaseModel):
                yield from _paths(item, f"{prefix}{name}.{number}.")


def _urls(settings: Settings) -> Iterator[Problem]:
    for key, text in _texts(settings.model_dump(mode="json")):
        if _PASSWORD_IN_URL.search(text):
            remedy = f"Use {_PASSWORD_FILES[key]}" if key in _PASSWORD_FILES else "Name a file that holds it"
            yield Problem(key, "it has a password in it, which shows in lists of processes and logs", remedy)
    if settings.database_password_file is not None and settings.database_url is None:
        yield Problem(
            "database_password_file", "nothing asks for it: database_url is not set", "Set it, or leave it out"
        )


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a value with its key, also those in lists."""
    if isinstance(value, str):
        yield key, value
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from _texts(item, f"{key}.{name}" if key else str(name))


def _ports(settings: Settings) -> Iterator[Problem]:
    """Two that listen on one port of one machine. Which machine each is on, only their addresses say."""
    listener, hosts = settings.listener, settings.listener.host
    faces: list[tuple[str, str, int | None]] = [
        ("listener.port", hosts, listener.port),
        ("listener.metrics_port", settings.metrics.host, listener.metrics_port),
        ("listener.tls.port", hosts, listener.tls.port if listener.tls else None),
        ("hl7.port", settings.hl7.host, settings.hl7.port),
        ("api.port", settings.api.host, settings.api.port),
        ("metrics.port", settings.metrics.host, settings.metrics.port),
        ("commitment_reports_port", hosts, settings.commitment_reports_port),
    ]
    for number, (key, host, port) in enumerate(faces):
        for other, its_host, its_port in faces[:number]:
            if port is not None and port == its_port and _may_be_one(host, its_host):
                yield Problem(key, f"port {port} is that of {other} already", "Choose another")


def _may_be_one(host: str, other: str) -> bool:
    return host == other or not {host, other}.isdisjoint(_EVERY_ADDRESS)


def _peers(settings: Settings) -> Iterator[Problem]:
    """Archives that are to send to our listener have to be let in there."""
    titles = {each.ae_title.strip() for each in settings.listener.peers}
    for number, remote in enumerate(settings.priors.remotes):
        if isinstance(remote, DimseRemote) and remote.retrieve == "move" and remote.ae_title.strip() not in titles:
            what = "it sends images to our listener (C-MOVE), which does not let it in"
            yield Problem(f"priors.remotes.{number}.retrieve", what, "Name it among listener.peers, or use get")


def _effective(settings: Settings, sources: Mapping[str, str]) -> Iterator[EffectiveSetting]:
    for key, value in _leaves(settings.model_dump(mode="json")).items():
        named = (source for place, source in sources.items() if place == key or place.startswith(f"{key}."))
        shown = _PASSWORD_IN_URL.sub(r"\1***@", json.dumps(value, ensure_ascii=False))
        yield EffectiveSetting(key, shown, next(named, DEFAULT))


def _leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by their whole key; sections are opened, tables of the site's own names are not."""
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        is_section = isinstance(value, Mapping) and bool(value) and f"{prefix}{name}" not in _TABLES
        leaves |= _leaves(value, f"{prefix}{name}.") if is_section else {f"{prefix}{name}": value}
    return leaves


_TABLES = frozenset({"site.issuers", "api.viewer_links", "thresholds"})


def _variables(layer: Mapping[str, Any]) -> dict[str, str]:
    return {key: PREFIX + key.upper().replace(".", "__") for key in _leaves(layer)}


def _file_name() -> str:
    return os.environ.get(SETTINGS_FILE_VARIABLE, "")


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of both, key by key; the second counts where both have one."""
    both = dict(under)
    for name, value in over.items():
        known = both.get(name)
        both[name] = _merged(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return both
