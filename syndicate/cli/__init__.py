"""The command line: parse, call one pipeline or service function, print."""
