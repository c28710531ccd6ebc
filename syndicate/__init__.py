"""Syndicate: feeds and e-mail digests from the articles a publisher already has."""

__version__ = "0.1.0"
