"""One verb a file: read the store, call the core, write the store. Stages never import each other."""
