"""Our own writing of MIME messages, with slots that are filled per reader. No rendering and no sending here."""
