"""All texts that people read in several languages: the files that translators edit, and the type of a text."""
