"""Operators of the console: accounts, and signing in and out."""
