"""Runs migrations on the connection that ``syndicate/store/schema.py`` hands over. Alembic calls this file.

A new step is a file ``versions/NNNN_what.py`` with ``revision = "NNNN"`` and ``down_revision`` the number before.
Released steps never change, and there is no way down: going back is `syndicate restore`.
"""

from alembic import context

from syndicate.store.tables import MetaRow

# Batch mode: SQLite cannot change a constraint in place, so a later step's ALTER rebuilds the table there.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=MetaRow.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
