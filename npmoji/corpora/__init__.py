"""Tables of any size: texts in a column, results in further columns; on one machine, or by Spark, Ray or Dask.

results.py     what is computed for each text, as columns
kinds.py       the kinds of tables: pyarrow, pandas, polars
scorer.py      `Scorer`: a table in, the same kind out; what all of the following call

Importing this needs none of the tables' libraries: each is imported when a table of its kind comes.
"""
