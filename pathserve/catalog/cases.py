"""Cases: which slides are of one patient's one event. Functions on an open transaction.

A case belongs to one project and to at most one patient, and it is there as long as it has slides.
"""

from pathserve.catalog.records import SlideFacts, SlideRecord
from pathserve.db import Transaction, as_int, now

_COUNTER = "case"


def next_number(tx: Transaction, counter: str) -> int:
    """Count on; a number of a made-up label is never given again, whatever was removed."""
    row = tx.row(
        "insert into counter values (?, 1) on conflict (name) do update set value = counter.value + 1 returning value",
        counter,
    )
    return as_int(row[0]) if row else 1


def share_case(tx: Transaction, slide_id: str) -> int:
    """Give the case of a slide for another one to join; a made-up one when it has none."""
    row = tx.row("select case_id, project from slide where id = ?", slide_id)
    if row is not None and row[0] is not None:
        return as_int(row[0])
    case = _make(tx, "" if row is None else str(row[1]), None)
    tx.run("update slide set case_id = ? where id = ?", case, slide_id)
    return case


def place_in_case(tx: Transaction, before: SlideRecord, project: str, facts: SlideFacts) -> None:
    """Put a slide into the case that it belongs to after a change, and take away the one that it leaves empty.

    Parameters
    ----------
    before
        The slide before the change.
    project
        Its project after it.
    """
    if facts.case is None and facts.patient is None and project == before.project:
        return
    label = before.case if facts.case is None else facts.case
    if label:
        case = _find(tx, project, label)
        if case is None:
            case = _make(tx, project, label)
            _set_patient(tx, case, before.patient)  # another case is no other patient, unless that is said
        if facts.patient is not None:
            _set_patient(tx, case, facts.patient)
    elif facts.patient:
        case = _make(tx, project, None)
        _set_patient(tx, case, facts.patient)
    else:
        case = None
    tx.run("update slide set case_id = ? where id = ?", case, before.id)
    drop_empty_case(tx, before)


def drop_empty_case(tx: Transaction, before: SlideRecord) -> None:
    """Take away the case that a slide had when no slide is left in it."""
    tx.run(
        "delete from slide_case where project = ? and label = ? "
        "and not exists (select 1 from slide where case_id = slide_case.id)",
        before.project,
        before.case,
    )


def _find(tx: Transaction, project: str, label: str) -> int | None:
    row = tx.row("select id from slide_case where project = ? and label = ?", project, label)
    return None if row is None else as_int(row[0])


def _make(tx: Transaction, project: str, label: str | None) -> int:
    while label is None:
        made_up = f"Case {next_number(tx, _COUNTER)}"
        label = made_up if _find(tx, project, made_up) is None else None
    row = tx.row(
        "insert into slide_case (project, label, created) values (?, ?, ?) returning id", project, label, now()
    )
    return as_int(row[0]) if row else 0


def _set_patient(tx: Transaction, case: int, patient: str | None) -> None:
    tx.run("update slide_case set patient = ? where id = ?", patient or None, case)
