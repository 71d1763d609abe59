"""Why a resource is refused, in the words of FHIR R4 (value set issue-type)."""

from __future__ import annotations

from plumbline.errors import InvalidInput


class RefusedResource(InvalidInput):
    """A resource that is not taken.

    Parameters
    ----------
    sentence
        One sentence without patient data: what is wrong and what to send instead.
    path
        FHIRPath of the element, e.g. ``ServiceRequest.subject``.
    issue
        Code of value set issue-type: ``structure``, ``required``, ``value``, ``business-rule``...
    """

    def __init__(self, sentence: str, path: str, issue: str = "value") -> None:
        super().__init__(sentence, where=path)
        self.sentence = sentence
        self.path = path
        self.issue = issue
