"""Thin edges to the outside: files, foreign databases, mail servers, HTTP. Knows nothing of our store."""
