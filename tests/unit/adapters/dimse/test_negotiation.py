"""Limits of an association request: what real requests need passes, what exceeds them or does not fit is told."""

from __future__ import annotations

import struct

import pytest
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import AllStoragePresentationContexts, build_context

from plumbline.adapters.dimse.negotiation import NegotiationLimits, tell_excess
from plumbline.errors import InvalidInput

LIMITS = NegotiationLimits(user_items=140, user_item_bytes=1000)


def request(contexts=1, roles=0, identity=b"nurse"):
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = "CT1", "PLUMBLINE"
    asked.presentation_context_definition_list = [build_context(f"1.2.3.{n}") for n in range(contexts)]
    for number, context in enumerate(asked.presentation_context_definition_list):
        context.context_id = 2 * number + 1
    length = MaximumLengthNotification()
    length.maximum_length_received = 16384
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    user = UserIdentityNegotiation()
    user.user_identity_type, user.primary_field = 1, identity
    asked.user_information = [length, implementation, user, *(_role(n) for n in range(roles))]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(asked)
    return pdu.encode()


def _role(number):
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = f"1.2.3.{number}", True, True
    return role


@pytest.mark.parametrize("asked", [{}, {"contexts": 128}, {"roles": 128}, {"identity": b"x" * 900}])
def test_what_somebody_may_need_passes(asked):
    tell_excess(request(**asked), LIMITS)
    assert len(AllStoragePresentationContexts) > 128, "nobody can ask for all of them at once"


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"roles": 200}, "user items"),
        ({"identity": b"x" * 2000}, "bytes in a user item"),
    ],
)
def test_more_than_the_limit_is_told(asked, what):
    with pytest.raises(InvalidInput, match=what):
        tell_excess(request(**asked), LIMITS)


def test_more_contexts_than_there_are_numbers_for_are_told():
    whole = request()
    context = b"\x20\0" + struct.pack(">H", 4) + b"\1\0\0\0"
    with pytest.raises(InvalidInput, match="presentation contexts"):
        tell_excess(whole + context * 128, LIMITS)


def test_more_syntaxes_than_there_are_are_told():
    syntaxes = (b"\x40\0" + struct.pack(">H", 5) + b"1.2.3") * 200
    context = b"\x20\0" + struct.pack(">H", 4 + len(syntaxes)) + b"\1\0\0\0" + syntaxes
    with pytest.raises(InvalidInput, match="transfer syntaxes"):
        tell_excess(request() + context, LIMITS)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_items_that_do_not_fit_into_what_holds_them_are_told(cut):
    with pytest.raises(InvalidInput):
        tell_excess(request()[:-cut], LIMITS)
