"""What a reader gets: the terminal's summary, the HTML reports, Markdown tables.

Imports: ``plots``, ``runs``, ``sweeps``, ``comparison``. It words and lays out; it estimates nothing.
Read first: ``run_tables`` (the tables of a run, shared by terminal and HTML), then ``run_text`` and
``run_html``.
"""
