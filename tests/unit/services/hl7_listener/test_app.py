"""What the HL7 listener says of itself, and how the site's settings reach it."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from plumbline.adapters.hl7.mllp import AllowedAddresses
from plumbline.errors import Misconfigured
from plumbline.settings import Settings
from services.hl7_listener.app import limits, reading_policy
from services.hl7_listener.observer import LoggingHl7Observer


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_messages_are_counted_by_kind_code_and_outcome():
    observer = LoggingHl7Observer()
    labels = {"kind": "OMI^O23", "code": "A", "outcome": "applied"}
    before, told = value("plumbline_hl7_messages_total", **labels), value("plumbline_hl7_exams_told_total")
    observer.received("OMI^O23", "A", "applied", "", 3)
    assert value("plumbline_hl7_messages_total", **labels) == before + 1
    assert value("plumbline_hl7_exams_told_total") == told + 3


def test_open_connections_go_up_and_down():
    observer = LoggingHl7Observer()
    before = value("plumbline_hl7_open_connections")
    observer.connected("192.0.2.1")
    assert value("plumbline_hl7_open_connections") == before + 1
    observer.disconnected("192.0.2.1", "ended")
    assert value("plumbline_hl7_open_connections") == before
    observer.turned_away("192.0.2.1", "not-allowed")
    assert value("plumbline_hl7_turned_away_total", reason="not-allowed") >= 1


def test_the_settings_say_how_messages_are_read_and_bounded():
    settings = Settings.model_validate(
        {
            "site": {"default_issuer_of_patient_id": "NORTH", "issuers": {"HIS": "SOUTH"}},
            "hl7": {"charset": "iso-8859-1", "processing_ids": ["P", "T"], "maximum_message_bytes": 5000},
        }
    )
    policy = reading_policy(settings)
    assert (policy.charset, policy.processing_ids) == ("iso-8859-1", {"P", "T"})
    assert (policy.identifiers.default_issuer, policy.identifiers.issuers) == ("NORTH", {"HIS": "SOUTH"})
    assert limits(settings.hl7).message_bytes == 5000


@pytest.mark.parametrize(
    ("address", "is_allowed"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("192.0.2.1", False), ("fe80::1%eth0", True), ("::1", False)],
)
def test_addresses_are_matched_by_network_in_both_versions(address, is_allowed):
    assert AllowedAddresses(("10.0.0.0/8", "fe80::/10"), where="hl7.addresses").allows(address) is is_allowed


def test_an_empty_list_lets_everybody_in_and_a_wrong_one_nobody_start():
    assert AllowedAddresses((), where="hl7.addresses").allows("192.0.2.1")
    with pytest.raises(Misconfigured, match=r"hl7\.addresses"):
        AllowedAddresses(("nowhere",), where="hl7.addresses")
