"""The site's settings: one YAML file, environment variables over it. Read once, at start, never changed later."""

from __future__ import annotations

import os
import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from plumbline.destination_settings import DestinationSettings, WorkitemDestination
from plumbline.errors import Misconfigured
from plumbline.settings_problems import problems_in
from plumbline.settings_values import AeTitle, BaseUrl, DatabaseUrl, HeaderName, Host, MessageType, Network, RedisUrl
from plumbline.text_files import read_mapping, read_secret

SETTINGS_FILE_VARIABLE = "PLUMBLINE_SETTINGS"
"""Environment variable that names the settings file."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def _at_least(value: float, other: str, info: ValidationInfo) -> float:
    """The value, which must not be below that of another key of its section; where that is wrong, it is told alone."""
    least = info.data.get(other)
    if least is not None and value < least:
        raise ValueError(f"it should not be less than {other}, which is {least:g}")
    return value


class OrthancSettings(_Section):
    """How to reach the archive."""

    url: BaseUrl = "http://127.0.0.1:8042"
    """Root of its REST API; DICOMweb is below it."""
    username: str | None = None
    """Who Plumbline is there; null where Orthanc asks nobody who they are."""
    password_file: Path | None = None
    """File with the password of ``username``."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for an answer: enough to list a study of thousands of instances, well within a worker's lease."""


class Peer(_Section):
    """Who may open an association: a calling AE Title, from these addresses (any when empty).

    ``host`` and ``port`` say where it listens itself, for storage commitment reports that come after its
    association has ended; without a host, the address it called from; without a port, it hears of them
    only on the association on which it asked.
    """

    ae_title: AeTitle
    """Calling AE Title."""
    addresses: tuple[Network, ...] = ()
    """Addresses and networks that it may call from; any where empty."""
    host: Host | None = None
    """Where it listens; the address that it called from where null."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which it listens; null where it is told on the association on which it asked."""
    uses_tls: bool = False
    """Whether it listens for DICOM TLS there."""


class TlsSettings(_Section):
    """DICOM TLS by BCP 195 (PS3.15 B.12): TLS 1.2 and 1.3, nothing older, nothing plain on its port."""

    certificate: Path
    """PEM file with our certificate and those of intermediate authorities."""
    key: Path
    """PEM file with the private key, without a passphrase."""
    authorities: Path | None = None
    """PEM file with the authorities of client certificates; where it is set, each client must show one."""
    port: int | None = Field(default=2762, ge=1, le=65535)
    """Port of its own beside the plain one; None where the listener's one port is to speak TLS only."""
    handshake_timeout_s: float = Field(default=10.0, gt=0)
    """Longest time that a handshake may take; others are served meanwhile."""


class CommitmentSettings(_Section):
    """Storage commitment: when it is judged, and how patiently the requester is told."""

    patience_s: float = Field(default=30.0, ge=0)
    """How long an instance that is asked for may still be on its way in, before it is called missing."""
    first_retry_s: float = Field(default=5.0, gt=0)
    """Wait before the first repeat of a report to a requester that is away."""
    longest_retry_s: float = Field(default=900.0, gt=0, validate_default=True)
    """Waits between repeats double from the first to this one."""
    keep_days: float = Field(default=14.0, gt=0)
    """Age at which a report that could never be delivered is given up, and said so in the log."""

    @field_validator("longest_retry_s")
    @classmethod
    def _not_shorter_than_the_first(cls, longest_s: float, info: ValidationInfo) -> float:
        return _at_least(longest_s, "first_retry_s", info)


class ListenerSettings(_Section):
    """The DICOM listener."""

    ae_title: AeTitle = "PLUMBLINE"
    """Our AE Title; who calls another one is rejected."""
    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every one of the machine's."""
    port: int = Field(default=11112, ge=1, le=65535)
    """Port for DICOM, the one registered for it with IANA."""
    metrics_port: int = Field(default=9112, ge=1, le=65535)
    """Port on which the listener shows its metrics itself, for sites where processes share no folder for them."""
    peers: tuple[Peer, ...] = (Peer(ae_title="ORTHANC", addresses=("127.0.0.1",), port=4242),)
    """Who may open an association; by default the archive on the same machine and nobody else."""
    processes: int = Field(default=1, ge=1)
    """How many processes receive on the port, each on a core of its own; all write to the one spool."""
    maximum_associations: int = Field(default=20, ge=1)
    """Associations at once, in all processes together."""
    maximum_waiting: int = Field(default=64, ge=1)
    """Connections at once, in each process, that have not become an association yet."""
    maximum_pdu_bytes: int = Field(default=131072, ge=4096)
    """Largest PDU that we take (PS3.8 D.1)."""
    maximum_user_items: int = Field(default=512, ge=8)
    """User items of an association request: extended negotiation, roles, identity."""
    maximum_user_item_bytes: int = Field(default=16384, ge=64)
    """Size of one of them."""
    idle_timeout_s: float = Field(default=60.0, gt=0)
    """Silence after which an association is aborted."""
    association_timeout_s: float = Field(default=43200.0, gt=0)
    """Longest time that one association may last; it is aborted between two instances."""
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
    segment_bytes: int = Field(default=256 * 1024**2, ge=65536)
    """Size at which the journal begins a new file."""
    drain_s: float = Field(default=30.0, ge=0)
    """How long a shutdown waits for associations to finish before it aborts them."""
    tls: TlsSettings | None = None
    """DICOM TLS; off where null."""
    commitment: CommitmentSettings = CommitmentSettings()
    """Storage commitment."""

    @field_validator("tls")
    @classmethod
    def _on_a_port_of_its_own(cls, tls: TlsSettings | None, info: ValidationInfo) -> TlsSettings | None:
        if tls is not None and tls.port == info.data.get("port"):
            raise ValueError("its port is that of the listener; leave it out where the listener is to speak TLS only")
        return tls


class Hl7Settings(_Section):
    """The HL7 v2 listener: orders and merges over MLLP."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=2575, ge=1, le=65535)
    """Port for MLLP, the one registered for HL7 with IANA."""
    addresses: tuple[Network, ...] = ("127.0.0.1", "::1")
    """Addresses and networks that may connect; everybody where empty."""
    maximum_connections: int = Field(default=64, ge=1)
    """Connections at once; interface engines open one or two each."""
    maximum_message_bytes: int = Field(default=1024**2, ge=4096)
    """A longer message ends its connection; an order with its texts has a few thousand bytes."""
    message_timeout_s: float = Field(default=30.0, gt=0)
    """Longest time from the first byte of a message to its last."""
    idle_timeout_s: float = Field(default=3600.0, gt=0)
    """Silence after which a connection is closed; its sender opens a new one."""
    drain_s: float = Field(default=10.0, ge=0)
    """How long a shutdown waits for messages that are being stored."""
    charset: Literal["ascii", "utf-8", "iso-8859-1", "iso-8859-15"] = "utf-8"
    """Character set of messages that leave MSH-18 empty."""
    processing_ids: tuple[Literal["P", "T", "D"], ...] = ("P",)
    """MSH-11 that are taken; training (T) and debugging (D) messages are rejected unless named."""
    passed_over: tuple[MessageType, ...] = ()
    """Types of message (MSH-9, such as SIU^S12) that are acknowledged and not used, beside patient messages (ADT) that
    change nothing here; all others are rejected."""
    accession_from: tuple[Literal["IPC-1", "OBR-18", "OBR-3", "ORC-3", "OBR-2", "ORC-2"], ...] = (
        "IPC-1",
        "OBR-18",
        "ORC-3",
    )
    """Where orders carry the accession number; the first field that is filled counts."""


VIEWER_LINK_PLACES = frozenset({"current", "reference", "studies"})
"""What an address of another viewer may leave to be filled in."""
_RUN_BY_BROWSERS = ("javascript:", "data:", "vbscript:")


class ApiSettings(_Section):
    """The worklist API."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8080, ge=1, le=65535)
    """Port for pages, UPS-RS, JSON, FHIR, metrics and health."""
    processes: int = Field(default=1, ge=1)
    """How many processes answer on the port, each on a core of its own; all answer from the one store. With more than
    one, ``database_url`` had better be PostgreSQL: an embedded database lets one process write at a time."""
    title: str = "Plumbline worklist"
    """What the pages and the OpenAPI document call it."""
    reader_header: HeaderName | None = None
    """Header in which a proxy that signs readers on names them, e.g. X-Remote-User. It has to be one that the proxy
    removes from what comes in. Where None, readers name themselves, unverified."""
    viewer_links: dict[str, str] = {}
    """Other viewers by name, e.g. OHIF: https://HOST/viewer?StudyInstanceUIDs={studies}. ``{current}`` and
    ``{reference}`` are Study Instance UIDs, ``{studies}`` is both with a comma between."""

    @field_validator("viewer_links")
    @classmethod
    def _known_places(cls, links: dict[str, str]) -> dict[str, str]:
        for name, address in links.items():
            if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", address) or address.lower().startswith(_RUN_BY_BROWSERS):
                raise ValueError(f"the address of {name} should begin with a scheme, such as https://HOST/")
            unknown = {place for _, place, _, _ in Formatter().parse(address) if place} - VIEWER_LINK_PLACES
            if unknown:
                known = ", ".join(sorted(VIEWER_LINK_PLACES))
                raise ValueError(f"the address of {name} has {{{unknown.pop()}}}; known are {known}")
        return links


class PathSettings(_Section):
    """Times and counts of the path of an exam."""

    quiet_period_s: float = Field(default=3.0, ge=0)
    """Silence after the last instance that triggers the count against the archive."""
    recount_after_s: float = Field(default=5.0, gt=0)
    """Wait before counting again where the archive holds more than we do or does not know the study yet."""
    fetch_missing_after_s: float = Field(default=30.0, ge=0)
    """How long to wait for the sender before missing instances are fetched from the archive."""
    unlisted_after_s: float | None = Field(default=600.0, gt=0)
    """Silence after which a study that the archive does not list is taken as it is held, not confirmed by the
    archive; null where only a person may declare it complete."""
    lease_s: float = Field(default=60.0, gt=0)
    """How long a worker holds a step before others may take it over, unless it says in time that it still works on it:
    so much longer an exam takes whose worker is lost."""
    maximum_attempts: int = Field(default=3, ge=1)
    """How often a step may fail, or its worker be lost, before its exam is shown as failed."""
    resend_after_s: float = Field(default=10.0, gt=0)
    """Age at which the sweeper rings again for a step that nobody holds."""
    tick_s: float = Field(default=1.0, gt=0)
    """How often quiet exams and steps that nobody holds are looked for."""
    reconcile_every_s: float = Field(default=30.0, gt=0)
    """How often the archive is asked what it has gained, so that nothing is missed that was sent while we were down."""
    news_quiet_s: float = Field(default=3.0, ge=0)
    """Silence after the last order, merge or new reference for an exam that was done already before it is judged
    whether the exam has to be compared again: a burst of messages makes one new revision."""
    retention_h: float = Field(default=168.0, ge=0)
    """How long images stay here after the last of them came, once their exam is over and the archive lists each."""
    maximum_priors: int = Field(default=6, ge=1)
    """How many earlier exams may be fetched for one comparison."""


class ProcessingSettings(_Section):
    """Processing workitems (IHE AIW-I): whether each comparison is a task on the worklist, too."""

    has_workitems: bool = False
    """Whether tasks are offered, and tasks performed that others schedule for ``listener.ae_title`` as station."""
    offered_for_s: float = Field(default=0.0, ge=0)
    """How long a task waits for other performers before it is taken here."""


class DimseRemote(_Section):
    """An archive elsewhere that is asked over DIMSE."""

    kind: Literal["dimse"]
    """Query and retrieve by C-FIND, and C-GET or C-MOVE."""
    name: str = Field(min_length=1, max_length=40)
    """What the reasons of a choice call it."""
    ae_title: AeTitle
    """Its AE Title."""
    host: Host
    """Its address or name."""
    port: int = Field(ge=1, le=65535)
    """Its port."""
    calling_ae_title: AeTitle = "PLUMBLINE"
    """AE Title under which we ask."""
    retrieve: Literal["get", "move"] = "get"
    """Whether images come on our own association (C-GET) or to our listener (C-MOVE)."""
    move_destination: AeTitle = "PLUMBLINE"
    """AE Title of our listener as the archive knows it, for C-MOVE; the archive must be among its peers."""
    issuer_of_patient_id: str | None = None
    """Issuer (0010,0021) of its patient IDs where its answers do not say."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for one message of it."""


class DicomWebRemote(_Section):
    """An archive elsewhere that is asked over DICOMweb."""

    kind: Literal["dicomweb"]
    """Query and retrieve by QIDO-RS and WADO-RS."""
    name: str = Field(min_length=1, max_length=40)
    """What the reasons of a choice call it."""
    url: BaseUrl
    """Root of its DICOMweb services."""
    username: str | None = None
    """Who we are there, by HTTP basic authentication."""
    secret_file: Path | None = None
    """File with the password of ``username``, or with a bearer token where there is no user name."""
    issuer_of_patient_id: str | None = None
    """Issuer (0010,0021) of its patient IDs where its answers do not say."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for one answer of it, besides the time for the instances."""
    instances_per_s: float = Field(default=50.0, gt=0)
    """Instances that it hands out in a second at least; with their number it bounds how long a series may take."""


class ScoreWeightSettings(_Section):
    """How much each named part counts in a candidate's score; only their ratios matter, and at least one must count.

    The score puts the rejected exams in order for the reader; conditions, not the score, decide what is comparable.
    """

    modality: float = Field(default=3.0, ge=0)
    """Whether it is of the same modality."""
    region: float = Field(default=2.0, ge=0)
    """Share of the current exam's regions of the spine that it shows."""
    levels: float = Field(default=2.0, ge=0)
    """Share of the operated levels that it shows."""
    view: float = Field(default=2.0, ge=0)
    """Whether projection and position agree."""
    time: float = Field(default=1.0, ge=0)
    """How near it is to the operation, or to the current exam where none is dated."""
    geometry: float = Field(default=1.0, ge=0)
    """How near the slice distances are to each other."""
    quality: float = Field(default=1.0, ge=0)
    """How well its best series can be measured."""

    @model_validator(mode="after")
    def _one_counts(self) -> ScoreWeightSettings:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("at least one part must count")
        return self


class PriorSettings(_Section):
    """What the site asks of an earlier exam, and where else such exams may be."""

    maximum_slice_mm: float = Field(default=5.0, gt=0)
    """Thicker slices are not compared with."""
    maximum_baseline_delay_days: int | None = Field(default=None, ge=0)
    """A first exam later than this after the operation is not its baseline; None: any first exam is."""
    late_baseline_days: int = Field(default=42, ge=0)
    """A baseline later than this after the operation is said to be late."""
    must_agree_on_position: bool = True
    """Whether radiographs in known but different positions are not compared."""
    allows_partial: bool = True
    """Whether an exam that could not be fetched whole is compared with, marked as partial, or refused."""
    postoperative_days: int = Field(default=42, ge=1)
    """Last day of the postoperative phase."""
    intermediate_days: int = Field(default=183, ge=1, validate_default=True)
    """Last day of the intermediate phase, not before that of the postoperative one."""
    maximum_instances: int = Field(default=5000, ge=1)
    """A larger exam is not fetched."""
    score_weights: ScoreWeightSettings = ScoreWeightSettings()
    """What the scores of candidates are made of."""
    remotes: tuple[Annotated[DimseRemote | DicomWebRemote, Field(discriminator="kind")], ...] = ()
    """Archives elsewhere, asked in this order for exams that our own does not have, or has only in part."""
    maximum_remote_studies: int = Field(default=12, ge=1)
    """Exams of one patient of which a remote archive is asked for the series."""
    remote_attempts: int = Field(default=3, ge=1)
    """How often a remote archive that does not answer is asked before the exam goes on without it."""
    remote_retry_after_s: float = Field(default=20.0, gt=0)
    """Wait between two of these attempts."""

    @field_validator("intermediate_days")
    @classmethod
    def _phases_in_order(cls, days: int, info: ValidationInfo) -> int:
        return int(_at_least(days, "postoperative_days", info))

    @field_validator("remotes")
    @classmethod
    def _names_of_their_own(
        cls, remotes: tuple[DimseRemote | DicomWebRemote, ...]
    ) -> tuple[DimseRemote | DicomWebRemote, ...]:
        names = [each.name for each in remotes]
        if len(set(names)) < len(names):
            raise ValueError("two of them have the same name")
        return remotes


class SiteSettings(_Section):
    """What the site calls its things."""

    name: str = "plumbline"
    """What reports call this installation; their device UID is derived from it, so it should stay."""
    default_issuer_of_patient_id: str | None = None
    """Issuer (0010,0021) that a patient ID without one belongs to."""
    issuers: dict[str, str] = {}
    """From what other systems call an issuer of patient IDs (HL7 assigning authority, FHIR identifier system) to what
    the images say in Issuer of Patient ID (0010,0021)."""
    triage_rules: Path | None = None
    """YAML rules; the packaged default set where None."""
    time_zone: str = "UTC"
    """IANA name of the zone of the modalities' clocks, e.g. Europe/Berlin, for studies that do not name theirs."""
    dicomweb_url: BaseUrl | None = None
    """Base URL of the archive's DICOMweb service as viewers reach it; workitems name it."""
    public_url: BaseUrl | None = None
    """Where readers reach the pages of the worklist, for links in messages."""


class MetricsSettings(_Section):
    """Where processes show metrics that no other process shows for them."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: int | None = Field(default=None, ge=1, le=65535)
    """Port for the metrics of a worker, the HL7 listener or the dispatcher; null where all processes of a machine share
    the folder of PROMETHEUS_MULTIPROC_DIR, for then the worklist API shows them together."""


class ReadinessSettings(_Section):
    """Canaries: messages without an exam that go through every queue and back to the database."""

    canary_every_s: float = Field(default=5.0, gt=0)
    """How often a canary is sent through each queue: twelve small tasks a minute."""
    path_within_s: float = Field(default=20.0, gt=0, validate_default=True)
    """Silence of the queue of quick steps after which the system is not ready: longer than any of its steps takes."""
    measure_within_s: float = Field(default=180.0, gt=0, validate_default=True)
    """The same for the queue of measurements, where a canary waits until one of the workers has finished an exam."""

    @field_validator("path_within_s", "measure_within_s")
    @classmethod
    def _longer_than_between_canaries(cls, within_s: float, info: ValidationInfo) -> float:
        return _at_least(within_s, "canary_every_s", info)

    @property
    def within_s(self) -> dict[str, float]:
        """Longest silence of each queue."""
        return {"path": self.path_within_s, "measure": self.measure_within_s}


class TracingSettings(_Section):
    """Traces over OTLP/HTTP (OpenTelemetry); needs the packages of ``plumbline[tracing]``."""

    endpoint: str | None = None
    """Where the collector takes traces, e.g. http://collector:4318; ``/v1/traces`` is added where the address has no
    path. Off where null: nothing is loaded then."""
    token_file: Path | None = None
    """File with the bearer token that the collector asks for; null where it asks for none."""
    timeout_s: float = Field(default=5.0, gt=0)
    """Longest time that one batch is tried; no work waits for it."""
    maximum_waiting: int = Field(default=2048, ge=1)
    """Spans that a process keeps while the collector is away; the oldest are dropped, for work must not wait. An exam
    makes about a dozen."""
    has_requests: bool = True
    """Whether requests to the worklist API are traced, too: one span each, by route and status."""

    @field_validator("endpoint")
    @classmethod
    def _whole_address(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it should be an address such as http://collector:4318")
        if parts.username is not None or parts.query or parts.fragment:
            raise ValueError("it should hold no user, password or query; a token belongs into token_file")
        return endpoint if parts.path not in ("", "/") else urlunsplit(parts._replace(path="/v1/traces"))


class SettingsFile(PydanticBaseSettingsSource):
    """The settings file named by ``PLUMBLINE_SETTINGS``, where there is one."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Nothing field by field: the file is read whole."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """What the file has; raise ``Misconfigured`` where it cannot be read or is no mapping."""
        named = os.environ.get(SETTINGS_FILE_VARIABLE)
        return read_mapping(Path(named), what="the settings file") if named else {}


class Settings(BaseSettings):
    """All settings of one deployment. Every process reads the same file."""

    model_config = SettingsConfigDict(
        env_prefix="PLUMBLINE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        secrets_dir=None,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    data_dir: Path = Path("var")
    """Spool, embedded database and pictures."""
    database_url: DatabaseUrl | None = None
    """SQLAlchemy URL without a password, postgresql+psycopg://USER@HOST/NAME; SQLite in ``data_dir`` where null."""
    database_password_file: Path | None = None
    """File with the password of the user in ``database_url``; where null, libpq looks for one itself (PGPASSFILE)."""
    redis_url: RedisUrl = "redis://127.0.0.1:6379/0"
    """Redis, the doorbell of the workers, without a password."""
    redis_password_file: Path | None = None
    """File with the password of Redis; null where it asks for none."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    """Lowest level that is written. No level writes patient data."""
    orthanc: OrthancSettings = OrthancSettings()
    """How to reach the archive."""
    listener: ListenerSettings = ListenerSettings()
    """The DICOM listener."""
    hl7: Hl7Settings = Hl7Settings()
    """The HL7 v2 listener."""
    api: ApiSettings = ApiSettings()
    """The worklist API."""
    metrics: MetricsSettings = MetricsSettings()
    """Metrics of the processes that listen on no port of their own."""
    tracing: TracingSettings = TracingSettings()
    """Traces of exams, deliveries and requests; off unless a collector is named."""
    readiness: ReadinessSettings = ReadinessSettings()
    """When the system counts as able to process an exam."""
    path: PathSettings = PathSettings()
    """Times and counts of the path of an exam."""
    processing: ProcessingSettings = ProcessingSettings()
    """Processing workitems."""
    priors: PriorSettings = PriorSettings()
    """Earlier exams."""
    site: SiteSettings = SiteSettings()
    """What the site calls its things."""
    destinations: tuple[DestinationSettings, ...] = ()
    """Systems that results are sent to; which of them get an exam, routing rules beside the triage rules say."""
    commitment_reports_port: int | None = Field(default=None, ge=1, le=65535)
    """Port on which the dispatcher hears of storage commitment; None where destinations report on the association on
    which they were asked."""
    thresholds: dict[str, float] = {}
    """Overrides of the clinical thresholds, by the names that ``checks`` gives them."""

    @model_validator(mode="after")
    def _followed_managers_are_let_in(self) -> Settings:
        let_in = {peer.ae_title.strip() for peer in self.listener.peers}
        for each in self.destinations:
            if isinstance(each, WorkitemDestination) and each.is_followed and each.ae_title.strip() not in let_in:
                raise ValueError(f"{each.name} is followed, so listener.peers has to let {each.ae_title} in")
        return self

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
        return init_settings, env_settings, SettingsFile(settings_cls)

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the store in use, with its password where a file has one: not for logs."""
        if self.database_url is None:
            return f"sqlite:///{(self.data_dir / 'plumbline.sqlite').as_posix()}"
        return _with_password(self.database_url, self.database_password_file, key="database_password_file")

    @property
    def broker_url(self) -> str:
        """URL of Redis, with its password where a file has one: not for logs."""
        return _with_password(self.redis_url, self.redis_password_file, key="redis_password_file")

    @property
    def spool_dir(self) -> Path:
        """Folder of the received bytes."""
        return self.data_dir / "spool"


def load_settings() -> Settings:
    """Settings from the environment and the file it names.

    Raises
    ------
    Misconfigured
        With every wrong key: which one, why, and for an unknown one the nearest right name.
    """
    named = os.environ.get(SETTINGS_FILE_VARIABLE)
    try:
        return Settings()
    except ValidationError as error:
        lines = "; ".join(str(problem).removesuffix(".") for problem in problems_in(error, Settings))
        raise Misconfigured(f"the settings are wrong ({lines})", where=named) from error
    except SettingsError as error:
        raise Misconfigured(f"a variable of the environment is not JSON ({error})", where="PLUMBLINE_*") from error


def _with_password(url: str, file: Path | None, *, key: str) -> str:
    """URL with the password that a file has, for the user that the URL names.

    Raises ``Misconfigured`` where the file cannot be read.
    """
    if file is None:
        return url
    password = read_secret(file, what="the file with the password", where=key)
    parts = urlsplit(url)
    user, _, address = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{quote(password, safe='')}@{address}"))
