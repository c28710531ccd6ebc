"""The programming interface at ``/api/v1``: FastAPI behind a gate that knows tokens. Imported by the web part only."""
