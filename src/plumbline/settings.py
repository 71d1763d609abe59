"""The site's settings: one YAML file, environment variables over it. Read once, at start, never changed later."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from plumbline.errors import Misconfigured

SETTINGS_FILE_VARIABLE = "PLUMBLINE_SETTINGS"
"""Environment variable that names the settings file."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrthancSettings(_Section):
    """How to reach the archive."""

    url: str = "http://127.0.0.1:8042"
    username: str | None = None
    password_file: Path | None = None
    timeout_s: float = Field(default=30.0, gt=0)


class Peer(_Section):
    """Who may open an association: a calling AE Title, from these addresses (any when empty)."""

    ae_title: str
    addresses: tuple[str, ...] = ()


class ListenerSettings(_Section):
    """The DICOM listener."""

    ae_title: str = "PLUMBLINE"
    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=1, le=65535)
    metrics_port: int = Field(default=9112, ge=1, le=65535)
    peers: tuple[Peer, ...] = (Peer(ae_title="ORTHANC", addresses=("127.0.0.1",)),)
    processes: int = Field(default=1, ge=1)
    """How many processes receive on the port, each on a core of its own; all write to the one spool."""
    maximum_associations: int = Field(default=20, ge=1)
    """Associations at once, in each process."""
    maximum_pdu_bytes: int = Field(default=131072, ge=4096)
    idle_timeout_s: float = Field(default=60.0, gt=0)
    instance_timeout_s: float = Field(default=600.0, gt=0)
    """Longest time that one instance may take to come in."""
    reserve_bytes: int = Field(default=2 * 1024**3, ge=0)
    """Reject associations and refuse instances (A700) when the spool's disk has less than this free."""
    accept_unknown_storage: bool = True
    """Whether SOP Classes that are not in the Standard's list of Storage classes are kept, private ones too."""
    buffer_bytes: int = Field(default=8 * 1024**2, ge=65536)
    """Memory of one association; a larger instance is written to the spool while it comes in."""
    has_store_loop: bool = True
    """Whether C-STORE is received by our own loop; if not, by pynetdicom, slower and with each instance in memory."""
    segment_bytes: int = Field(default=1024**3, ge=65536)
    """Size at which the journal begins a new file."""
    drain_s: float = Field(default=30.0, ge=0)
    """How long a shutdown waits for associations to finish before it aborts them."""


class ApiSettings(_Section):
    """The worklist API."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    title: str = "Plumbline worklist"


class PathSettings(_Section):
    """Times and counts of the path of an exam."""

    quiet_period_s: float = Field(default=3.0, ge=0)
    """Silence after the last instance that triggers the count against the archive."""
    recount_after_s: float = Field(default=5.0, gt=0)
    """Wait before counting again where the archive holds more than we do or does not know the study yet."""
    fetch_missing_after_s: float = Field(default=30.0, ge=0)
    """How long to wait for the sender before missing instances are fetched from the archive."""
    lease_s: float = Field(default=300.0, gt=0)
    """How long a worker holds a step before others may take it over."""
    maximum_attempts: int = Field(default=3, ge=1)
    resend_after_s: float = Field(default=10.0, gt=0)
    """Age at which the sweeper rings again for a step that nobody holds."""
    tick_s: float = Field(default=1.0, gt=0)
    reconcile_every_s: float = Field(default=30.0, gt=0)
    maximum_priors: int = Field(default=6, ge=1)
    """How many earlier exams may be fetched for one comparison."""


class SiteSettings(_Section):
    """What the site calls its things."""

    name: str = "plumbline"
    default_issuer_of_patient_id: str | None = None
    """Issuer (0010,0021) that a patient ID without one belongs to."""
    triage_rules: Path | None = None
    """YAML rules; the packaged default set where None."""


class _YamlFile(PydanticBaseSettingsSource):
    """The settings file named by ``PLUMBLINE_SETTINGS``, where there is one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        named = os.environ.get(SETTINGS_FILE_VARIABLE)
        if not named:
            return {}
        path = Path(named)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise Misconfigured("the settings file cannot be read", where=named, remedy=str(error.strerror)) from error
        except yaml.YAMLError as error:
            raise Misconfigured(f"the settings file is not YAML ({error})", where=named) from error
        if content is None:
            return {}
        if not isinstance(content, dict):
            raise Misconfigured("the settings file must hold sections such as 'listener:'", where=named)
        return content


class Settings(BaseSettings):
    """All settings of one deployment. Every process reads the same file."""

    model_config = SettingsConfigDict(
        env_prefix="PLUMBLINE_", env_nested_delimiter="__", extra="forbid", frozen=True, secrets_dir=None
    )

    data_dir: Path = Path("var")
    """Spool, embedded database and pictures."""
    database_url: str | None = None
    """SQLAlchemy URL; SQLite in ``data_dir`` where None."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    log_level: str = "INFO"
    orthanc: OrthancSettings = OrthancSettings()
    listener: ListenerSettings = ListenerSettings()
    api: ApiSettings = ApiSettings()
    path: PathSettings = PathSettings()
    site: SiteSettings = SiteSettings()
    thresholds: dict[str, float] = {}
    """Overrides of the clinical thresholds, by the names that ``checks`` gives them."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, file."""
        return init_settings, env_settings, _YamlFile(settings_cls)

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store in use."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'plumbline.sqlite').as_posix()}"

    @property
    def spool_dir(self) -> Path:
        """Folder of the received bytes."""
        return self.data_dir / "spool"


def load_settings() -> Settings:
    """Settings from the environment and the file it names.

    Raises
    ------
    Misconfigured
        With one line per wrong key: which one, and why.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Misconfigured(
            f"the settings are wrong ({lines})", where=os.environ.get(SETTINGS_FILE_VARIABLE)
        ) from error
