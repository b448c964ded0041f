"""Storage of documents, mentions and vectors in Chroma, independent of the encoder."""
