"""The process that opens a scan and has a cluster build its pyramid: ``python -m pathserve.worker.cluster_program``.

A worker like the others, only that its shards are written elsewhere; on its own so that those need not load Dask's
cluster.
"""

from pathlib import Path

from pathserve.pyramid.build import Runner
from pathserve.worker.cluster import ClusterRunner
from pathserve.worker.messages import Order
from pathserve.worker.program import main


def cluster_of(order: Order, staging: Path) -> Runner | None:
    """Give what runs the shards of an order."""
    return None if order.scheduler is None else ClusterRunner(order.scheduler, order, staging)


if __name__ == "__main__":
    main(cluster_of)
