"""Orders, and what messages say of them, as JSON documents in the store, and back."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from plumbline.adapters.database.instances import patient_document, patient_from_document
from plumbline.anatomy.levels import Level
from plumbline.exams.notices import OrderNotice, OrderStatus
from plumbline.exams.order import Order, Plan, RedFlag, SourceKind


def notice_document(notice: OrderNotice) -> dict[str, Any]:
    """JSON form of what a message says of an order."""
    return {
        "order_key": notice.order_key,
        "status": notice.status.value,
        "patient": patient_document(notice.patient),
        "order": order_document(notice.order),
        "study_instance_uid": notice.study_instance_uid,
        "planned_on": notice.planned_on.isoformat() if notice.planned_on else None,
        "is_operation": notice.is_operation,
        "sent_at": notice.sent_at.isoformat() if notice.sent_at else None,
    }


def notice_from_document(document: dict[str, Any]) -> OrderNotice:
    """Inverse of ``notice_document``."""
    on, at = document["planned_on"], document["sent_at"]
    return OrderNotice(
        order_key=document["order_key"],
        status=OrderStatus(document["status"]),
        patient=patient_from_document(document["patient"]),
        order=order_from_document(document["order"]),
        study_instance_uid=document["study_instance_uid"],
        planned_on=date.fromisoformat(on) if on else None,
        is_operation=document["is_operation"],
        sent_at=datetime.fromisoformat(at) if at else None,
    )


def order_document(order: Order) -> dict[str, Any]:
    """JSON form of an order."""
    return {
        "text": order.text,
        "source": order.source.name,
        "indication": order.indication,
        "red_flags": [flag.value for flag in order.red_flags],
        "priority": order.priority,
        "accession_number": order.accession_number,
        "plan": None if order.plan is None else _plan_document(order.plan),
    }


def order_from_document(document: dict[str, Any]) -> Order:
    """Inverse of ``order_document``."""
    plan = document.get("plan")
    return Order(
        text=document["text"],
        source=SourceKind[document["source"]],
        plan=None if plan is None else _plan_from_document(plan),
        indication=document.get("indication"),
        red_flags=tuple(RedFlag(flag) for flag in document.get("red_flags", [])),
        priority=document.get("priority"),
        accession_number=document.get("accession_number"),
    )


def _plan_document(plan: Plan) -> dict[str, Any]:
    return {
        "levels": [level.name for level in plan.levels],
        "procedures": list(plan.procedures),
        "side": plan.side,
        "surgery_date": plan.surgery_date.isoformat() if plan.surgery_date else None,
        "source": plan.source.name,
        "text": plan.text,
    }


def _plan_from_document(document: dict[str, Any]) -> Plan:
    on = document.get("surgery_date")
    return Plan(
        levels=tuple(Level.parse(name) for name in document["levels"]),
        procedures=tuple(document["procedures"]),
        side=document.get("side"),
        surgery_date=date.fromisoformat(on) if on else None,
        source=SourceKind[document["source"]],
        text=document["text"],
    )
