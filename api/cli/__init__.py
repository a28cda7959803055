"""The command line: a file for each group of verbs, imported when a verb is named."""
