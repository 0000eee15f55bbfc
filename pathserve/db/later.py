"""Work that nobody waits for: one piece after another, in a thread that is there as long as there is any."""

import logging
import threading
from collections.abc import Callable

from pathserve.errors import PathServeError

_LOG = logging.getLogger(__name__)


class Later:
    """What a process does beside what it was asked for, such as keeping tables in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = dict[str, Callable[[], object]]()
        self._thread: threading.Thread | None = None
        self._closed = False

    def do(self, name: str, work: Callable[[], object]) -> None:
        """Have something done after what waits already; what waits under the same name is done once.

        It must bear to be left out: a process can end before, and a `PathServeError` of it is logged and no more.
        """
        with self._lock:
            if self._closed:
                return
            self._waiting.setdefault(name, work)
            if self._thread is None or not self._thread.is_alive():
                # No daemon: a program that ends without closing its database ends when this is done.
                self._thread = threading.Thread(target=self._run, name="pathserve-later")
                self._thread.start()

    def close(self) -> None:
        """Wait until all is done; nothing is taken any more."""
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                work = self._waiting.pop(next(iter(self._waiting)))
            try:
                work()
            except PathServeError as error:
                _LOG.warning("something that is done beside everything else failed: %s", error.code)
