"""From articles and templates to the subject, HTML and text of an edition. No MIME here: that is ``core/message``."""
