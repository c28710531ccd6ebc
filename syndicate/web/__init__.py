"""The web part: thin; parse, call one pipeline function, answer. GET, HEAD and OPTIONS never write."""
