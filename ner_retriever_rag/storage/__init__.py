"""Storage: documents, their mentions and vectors in Chroma. Knows no encoder."""
