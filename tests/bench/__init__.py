"""Measures, and tells ratios: `make bench`, or `python -m tests.bench --help`.

Database, server and load generator share the machine; fsync is on. Every row is a ratio to a baseline measured in the
same run, as machines differ by a factor of two from day to day. A figure is a median of rounds, and baselines are
measured between the rounds of what they are compared with.

    budgets.py     the rows: work, baseline, the ratio to reach
    options.py     subjects, and how much of everything
    report.py      the table, the JSON
    data.py        a region's people and their hours, signed
    machines.py    the database, the server, the load generator as processes
    serve.py       the server, with two bare addresses beside its own
    load.py        the load generator's process
    primitives.py  baseline: what a signature costs
    floors.py      baselines: PostgreSQL alone, Typst alone
    stock.py       baseline: the eventsourcing library with its own PostgreSQL module
    writing.py     submissions over HTTP, by the thousand and singly
    stored.py      a large log: growth, projections, audit, storage, reading
    proving.py     proofs: issued, rendered, checked
    moving.py      records that move between two regions
"""
