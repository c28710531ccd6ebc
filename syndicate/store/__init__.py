"""The only SQL of the program. Functions take a Session; state changes are conditional UPDATEs, their count checked."""
