"""Measures against the budgets of docs/design.md, section 11: `make bench`, or `python -m tests.bench --help`.

Database, server and load generator share the machine, as the budgets say; fsync is on. A rate is a median of
rounds. Ratios are of numbers taken in one run: the figures themselves drift from machine to machine.

    report.py      rows, the table, the JSON
    data.py        a region's people and their hours, signed
    machines.py    the database, the server, the load generator as processes
    load.py        what runs in the load generator
    primitives.py  what a signature and a hash cost
    stock.py       the eventsourcing library with its own PostgreSQL module: the baseline
    writing.py     submissions over HTTP, by the thousand and one by one
    stored.py      what is done with a large log: growth, projections, audit, reading
"""
