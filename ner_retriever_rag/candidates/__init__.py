"""Where candidate mentions come from: the table of a folder with its inverted file."""
