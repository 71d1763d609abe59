"""Who may call: calling AE Titles, and the addresses that each may come from."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from plumbline.adapters.dimse.listener import AllowList
from plumbline.settings import ListenerSettings, Peer


def allow_list(*peers):
    return AllowList(ListenerSettings(peers=peers))


def test_nobody_may_call_unless_named():
    assert not allow_list().allows("ORTHANC", "127.0.0.1")
    assert not allow_list(Peer(ae_title="ORTHANC")).allows("STRANGER", "127.0.0.1")


def test_only_the_local_orthanc_may_call_as_installed():
    installed = AllowList(ListenerSettings())
    assert installed.allows("ORTHANC", "127.0.0.1")
    assert not installed.allows("ORTHANC", "192.0.2.7")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.7", True),
        ("192.0.2.200", False),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
    ],
)
def test_addresses_may_be_networks_of_either_family(address, allowed):
    peers = allow_list(Peer(ae_title="CT1", addresses=("192.0.2.0/25", "2001:db8::/32")))
    assert peers.allows("CT1", address) is allowed


def test_a_title_without_addresses_may_come_from_anywhere():
    assert allow_list(Peer(ae_title="CT1")).allows("CT1", "203.0.113.9")


def test_a_title_named_twice_has_the_addresses_of_both():
    peers = allow_list(Peer(ae_title="CT1", addresses=("192.0.2.1",)), Peer(ae_title="CT1", addresses=("192.0.2.2",)))
    assert peers.allows("CT1", "192.0.2.1")
    assert peers.allows("CT1", "192.0.2.2")


def test_what_is_no_address_is_refused_at_the_start():
    with pytest.raises(ValidationError, match="an IP address or a network"):
        allow_list(Peer(ae_title="CT1", addresses=("the-scanner",)))
