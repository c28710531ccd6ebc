"""Pure decisions: no clock, no randomness, no input or output, no SQL. What it needs to know comes as arguments."""
