"""How many annotations there are now, without looking at any of them. Functions on an open transaction."""

from collections.abc import Sequence

from pathserve.db import Transaction, as_int, placeholders


def count_by_layer(tx: Transaction, slides: Sequence[str]) -> dict[int, tuple[str, int]]:
    """Count what is on the layers of some slides now; layers that were removed are left out.

    Returns
    -------
    Slide and count by layer id; every layer that is there is in it.
    """
    some = placeholders(len(slides))
    layers = tx.rows(
        "select l.id, l.slide, coalesce(c.deleted, 0) from layer l left join layer_change c on c.layer = l.id and "  # noqa: S608 - placeholders only
        "c.revision = (select max(d.revision) from layer_change d where d.layer = l.id) "
        f"where l.slide in ({some})",
        *slides,
    )
    totals = {as_int(layer): (str(slide), 0) for layer, slide, removed in layers if not removed}
    alive = f"from chunk s where s.slide in ({some}) and s.born is not null and s.died is null"
    for sql in (
        f"select s.layer, sum(s.size) {alive} group by s.layer",
        "select s.layer, -count(*) from overridden o join chunk s on s.id = o.chunk "  # noqa: S608 - placeholders only
        f"where s.slide in ({some}) and s.born is not null and s.died is null group by s.layer",
        f"select layer, count(*) from feature_version where slide in ({some}) and until is null and deleted = 0 "  # noqa: S608 - placeholders only
        "group by layer",
    ):
        for layer, count in tx.rows(sql, *slides):
            if (known := totals.get(as_int(layer))) is not None:
                totals[as_int(layer)] = (known[0], known[1] + int(str(count)))
    return totals
