"""One module for each group of commands. Each has ``register(app)``, which ``main.py`` calls from one list.

A command takes ``ctx: typer.Context`` first and ``as_json: JsonOption = False`` last, has a docstring (its help) and an
``epilog=example(...)``, imports heavy modules inside itself, and calls ``output.document`` for ``--json``.
"""
