"""What a site decides about the path: times, thresholds, rules, names. Plain values, made once at start."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from plumbline.checks.thresholds import CheckThresholds
from plumbline.exams.history import PhaseLimits
from plumbline.pipeline.outgoing import NO_ROUTING, Routing
from plumbline.priors.choice import PriorPolicy
from plumbline.triage.rules import RuleSet


@dataclass(frozen=True)
class SitePolicy:
    """The site's decisions, as the steps need them.

    ``device_uid`` identifies this installation in reports; ``listener_ae_title`` and ``archive_ae_title``
    tell readers where images can be had.
    """

    rules: RuleSet
    device_uid: str
    site_name: str = "plumbline"
    archive_ae_title: str = "ORTHANC"
    time_zone: tzinfo = UTC
    """Zone of the site's clocks: what is written into studies that do not name theirs is in local time."""
    dicomweb_url: str | None = None
    """Base URL of the archive's DICOMweb service as viewers reach it; None where workitems are not to name one."""
    recount_after_s: float = 5.0
    fetch_missing_after_s: float = 30.0
    unlisted_after_s: float | None = 600.0
    """Silence after which a study that the archive does not list is taken as it is; None where only a person may."""
    maximum_priors: int = 6
    maximum_instances: int = 5000
    """Instances fetched of one earlier exam at most, so that a match is never a flood."""
    maximum_remote_studies: int = 12
    """Exams of which a remote archive is asked for the series."""
    remote_attempts: int = 3
    remote_retry_after_s: float = 20.0
    order_days: int = 1
    """Days between exam and order where nothing but the patient ties them."""
    phases: PhaseLimits = field(default_factory=PhaseLimits)
    thresholds: CheckThresholds = field(default_factory=CheckThresholds)
    priors: PriorPolicy = field(default_factory=PriorPolicy)
    routing: Routing = NO_ROUTING
