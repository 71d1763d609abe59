"""The first breaking test: a hundred exams in flight while everything around them is killed, emptied and restarted.

``make faults`` runs it. ``plan`` says what happens when, ``patients`` what is sent, ``system`` starts what is
broken and breaks it, ``modality`` sends, and ``accounting`` judges at the end what became of every exam.
"""

POISON_VARIABLE = "PLUMBLINE_FAULTS_POISON"
"""Environment variable with the Study Instance UID of the exam that crashes its worker; nothing else reads it."""
