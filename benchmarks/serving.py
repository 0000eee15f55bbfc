"""One way to run every server of the tile benchmark that uvicorn can run: the settings of `pathserve serve`.

The peers' own environments come here too, so this imports uvicorn alone.
"""

from typing import Any

import uvicorn


def serve(app: Any, port: int, *, factory: bool = False) -> None:  # noqa: ANN401 - uvicorn's own type is a wide union
    """Serve on loopback with one process until told to stop."""
    uvicorn.run(
        app,
        factory=factory,
        host="127.0.0.1",
        port=port,
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
    )
