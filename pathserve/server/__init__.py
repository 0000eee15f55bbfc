"""The HTTP server: Starlette routes that parse, ask one room, and answer. No business rules."""

from pathserve.server.app import create_app

__all__ = ["create_app"]
