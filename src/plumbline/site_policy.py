"""From the settings file to the path's policy: rules and thresholds are read, checked and named here, once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, tzinfo
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from plumbline.checks.thresholds import CheckThresholds
from plumbline.destination_settings import TAKES_OBJECTS
from plumbline.errors import Misconfigured
from plumbline.exams.history import PhaseLimits
from plumbline.exams.identity import IdentityPolicy
from plumbline.pipeline.outbox import DeliveryKind
from plumbline.pipeline.outgoing import Routing
from plumbline.pipeline.policy import SitePolicy
from plumbline.priors.choice import PriorPolicy, ScoreWeights
from plumbline.settings import Settings
from plumbline.text_files import read_text_file
from plumbline.triage.rule_file import default_rules, read_rules
from plumbline.triage.rules import RuleSet

_DEVICE_NAMESPACE = uuid.UUID("8c0f54a4-5a58-5a0e-9d0a-3d1f0c1b7e21")


def site_policy(settings: Settings) -> SitePolicy:
    """The site's decisions as the steps need them.

    Raises
    ------
    Misconfigured
        When a rule or a threshold is wrong; with the place and the nearest right name.
    """
    rules = _rules(settings)
    return SitePolicy(
        rules=rules,
        routing=_routing(settings, rules),
        device_uid=f"2.25.{uuid.uuid5(_DEVICE_NAMESPACE, settings.site.name).int}",
        site_name=settings.site.name,
        time_zone=_time_zone(settings.site.time_zone),
        dicomweb_url=settings.site.dicomweb_url,
        recount_after_s=settings.path.recount_after_s,
        fetch_missing_after_s=settings.path.fetch_missing_after_s,
        unlisted_after_s=settings.path.unlisted_after_s,
        maximum_priors=settings.path.maximum_priors,
        thresholds=thresholds_with(settings.thresholds),
        priors=_priors(settings),
        phases=PhaseLimits(settings.priors.postoperative_days, settings.priors.intermediate_days),
        maximum_instances=settings.priors.maximum_instances,
        maximum_remote_studies=settings.priors.maximum_remote_studies,
        remote_attempts=settings.priors.remote_attempts,
        remote_retry_after_s=settings.priors.remote_retry_after_s,
    )


def policy_faults(settings: Settings) -> tuple[Misconfigured, ...]:
    """Everything for which ``site_policy`` would refuse these settings: it stops at the first."""
    attempts: list[Callable[[], object]] = [
        *(partial(thresholds_with, {name: value}) for name, value in settings.thresholds.items()),
        partial(_time_zone, settings.site.time_zone),
        lambda: _routing(settings, _rules(settings)),
    ]
    faults: list[Misconfigured] = []
    for attempt in attempts:
        try:
            attempt()
        except Misconfigured as error:
            faults.append(error)
    return tuple(faults)


def _priors(settings: Settings) -> PriorPolicy:
    asked = settings.priors
    return PriorPolicy(
        identity=IdentityPolicy(settings.site.default_issuer_of_patient_id),
        weights=ScoreWeights(**asked.score_weights.model_dump()),
        maximum_slice_mm=asked.maximum_slice_mm,
        maximum_baseline_delay_days=asked.maximum_baseline_delay_days,
        must_agree_on_position=asked.must_agree_on_position,
        allows_partial=asked.allows_partial,
        late_baseline_days=asked.late_baseline_days,
    )


def thresholds_with(overrides: dict[str, float]) -> CheckThresholds:
    """The default thresholds with a site's own over them."""
    known = [field.name for field in fields(CheckThresholds)]
    for name in overrides:
        if name not in known:
            near = get_close_matches(name, known, 1)
            raise Misconfigured(
                "there is no such threshold",
                where=f"thresholds.{name}",
                remedy=f"Did you mean {near[0]}?" if near else f"Known are {', '.join(known)}",
            )
    return replace(CheckThresholds(), **overrides)


def _time_zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Misconfigured(f"there is no time zone '{name}'", where="site.time_zone") from error


def _routing(settings: Settings, rules: RuleSet) -> Routing:
    """Destinations with what they take; every name in a routing rule has to be one of them."""
    names = [each.name for each in settings.destinations]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise Misconfigured(f"two destinations have the name '{repeated.pop()}'", where="destinations")
    for route in rules.routes or ():
        for name in route.to:
            if name not in names:
                near = get_close_matches(name, names, 1)
                raise Misconfigured(
                    f"there is no destination '{name}'",
                    where=f"{rules.origin} line {route.line}",
                    remedy=f"Did you mean {near[0]}?" if near else "Destinations are named in the settings.",
                )
    kinds = {
        each.name: DeliveryKind.OBJECTS if isinstance(each, TAKES_OBJECTS) else DeliveryKind.RESULT
        for each in settings.destinations
    }
    return Routing(kinds, settings.site.public_url)


def _rules(settings: Settings) -> RuleSet:
    path = settings.site.triage_rules
    return default_rules() if path is None else read_rule_file(path)


class ReloadedPolicy:
    """The site's policy, read again when its rule file changes, without a restart.

    A file that is wrong is told once in the log and changes nothing: the rules that were in force stay so.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = site_policy(settings)
        self._seen = self._stamp()
        self._lock = threading.Lock()

    def current(self) -> SitePolicy:
        """The policy in force now."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                self._read_again()
            return self._policy

    def _read_again(self) -> None:
        log = structlog.get_logger("plumbline.rules")
        try:
            self._policy = site_policy(self._settings)
        except Misconfigured as error:
            log.error("the changed triage rules are wrong; those before stay in force", sentence=str(error))
        else:
            log.info("triage rules read again", rules=len(self._policy.rules.rules))

    def _stamp(self) -> tuple[int, int] | None:
        """What tells one version of the file from another, None where there is no file."""
        path = self._settings.site.triage_rules
        try:
            found = path.stat() if path is not None else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_size) if found else None


def read_rule_file(path: Path) -> RuleSet:
    """Rules from a YAML file; raise ``Misconfigured`` with the line and the reason where they are wrong."""
    return read_rules(read_text_file(path, what="the file of triage rules", where=str(path)), origin=str(path))
