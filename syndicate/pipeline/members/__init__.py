"""Members: people subscribe, confirm, choose, leave, are imported, exported and erased. One verb a file."""
