"""Hours from an organisation's own files: CSV, XLSX or JSON lines in, checked events or a list of bad rows out.

`read` takes a file apart, `to_entries` makes its events; nothing here needs a server or a key. What a file holds
is told in docs/submit-files.md.
"""

from api.sheets.mapping import Entry, to_entries
from api.sheets.problems import RowProblem, SheetError
from api.sheets.reading import Row, Sheet, parse, read

__all__ = ["Entry", "Row", "RowProblem", "Sheet", "SheetError", "parse", "read", "to_entries"]
