"""HTTP: parse, call one pipeline or service function, answer."""
