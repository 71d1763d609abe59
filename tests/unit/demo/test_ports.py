"""A port that is taken is named before anything is started."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from plumbline.demo.ports import HOST, free_ports, refuse_ports_in_use
from plumbline.errors import Misconfigured


def test_free_ports_are_distinct_and_not_refused():
    ports = free_ports()
    assert len({ports.api, ports.listener, ports.orthanc_http, ports.orthanc_dicom, ports.redis}) == 5
    refuse_ports_in_use(ports)


def test_a_taken_port_is_named_with_what_to_do():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        ports = replace(free_ports(), orthanc_http=taken.getsockname()[1])
        with pytest.raises(Misconfigured, match=f"orthanc_http {ports.orthanc_http}") as refusal:
            refuse_ports_in_use(ports)
    assert "FREE_PORTS" in str(refusal.value)
