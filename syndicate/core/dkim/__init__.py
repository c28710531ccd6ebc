"""Signatures on messages: DKIM (RFC 6376), with RSA and with Ed25519 (RFC 8463). Key files: ``io/dkim_keys.py``."""
