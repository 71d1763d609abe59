"""Sending one HL7 v2 message over MLLP, and what its acknowledgement means."""

from __future__ import annotations

import asyncio
from typing import cast

import hl7
from hl7.mllp import open_hl7_connection

from plumbline.errors import InvalidInput, Unavailable


def send_message(message: hl7.Message | str, host: str, port: int, *, message_id: str, timeout_s: float) -> None:
    """Send a message on a connection of its own and wait until it is accepted.

    Parameters
    ----------
    message
        As a string: its segments end in carriage returns.
    message_id
        Its MSH-10.

    Raises
    ------
    Unavailable
        Nobody answers, what answers is not HL7, or the receiver had an error of its own.
    InvalidInput
        The receiver will never take this message.
    """
    try:
        whole = cast(hl7.Message, hl7.parse(message)) if isinstance(message, str) else message
        answer = asyncio.run(asyncio.wait_for(_exchange(whole, host, port), timeout_s))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        raise Unavailable("the HL7 receiver does not answer") from error
    except (hl7.HL7Exception, ValueError, LookupError, AssertionError) as error:
        raise Unavailable("the HL7 receiver answers with something that is not HL7") from error
    judge_acknowledgement(answer, message_id)


async def _exchange(message: hl7.Message, host: str, port: int) -> hl7.Message:
    reader, writer = await open_hl7_connection(host, port, encoding="utf-8")
    try:
        writer.writemessage(message)
        await writer.drain()
        return cast(hl7.Message, await reader.readmessage())
    finally:
        writer.close()
        await writer.wait_closed()


def judge_acknowledgement(answer: hl7.Message, message_id: str) -> None:
    """Return where the message was accepted (MSA-1 AA or CA).

    Raises
    ------
    Unavailable
        AE or CE, the receiver had an error of its own; or it acknowledges another message.
    InvalidInput
        AR or CR, it will never take this message.
    """
    try:
        acknowledgement = answer.segment("MSA")
        code, echoed = str(acknowledgement(1)), str(acknowledgement(2))
    except (KeyError, IndexError) as error:
        raise Unavailable("the HL7 receiver's answer has no MSA") from error
    if code in ("AR", "CR"):
        raise InvalidInput(f"the HL7 receiver rejects the message ({code})")
    if code not in ("AA", "CA"):
        raise Unavailable(f"the HL7 receiver could not take the message ({code[:2]})")
    if echoed != message_id:
        raise Unavailable("the HL7 receiver acknowledges another message")
