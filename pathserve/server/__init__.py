"""The HTTP server: Starlette routes that parse, ask one room, and answer. No business rules.

Each module is imported by its own name: the command line needs a few of them, and not Starlette.
"""
