"""Hours from an organisation's own files: CSV, XLSX or JSON lines in; events, or every bad row, out.

`read` takes a file apart and `to_entries` makes its events; neither needs a server or a key. The columns and
the codes of what can be wrong are documented in docs/submit-files.md.
"""

from api.sheets.mapping import Entry, to_entries
from api.sheets.problems import RowProblem, SheetError
from api.sheets.reading import Row, Sheet, parse, read

__all__ = ["Entry", "Row", "RowProblem", "Sheet", "SheetError", "parse", "read", "to_entries"]
