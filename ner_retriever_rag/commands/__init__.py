"""One module a command of ``ner-retriever``."""
