"""Tables of any size: texts in a column, results in further columns; on one machine, or by Spark, Ray or Dask.

results.py       what is computed for each text, as columns
columns.py       which columns of a table are used and kept; what a kind of table must be able to do
arrow_arrays.py  results as arrays of Arrow
arrow_kind.py, frame_kinds.py, kinds.py
                 the kinds of tables: pyarrow's; pandas' and polars'; which one a table is
schemas.py       what comes out, as pyarrow, polars and Spark say it
models.py        the models of a process, each loaded once
grants.py        how many threads an engine grants a task
scorer.py        `Scorer`: a table in, the same kind out

and of `npmoji score`, from files to files:

job.py           what is done in what order, what is refused, what is told
plans.py         the steps from a block of rows to what is written, for each kind of output
pipeline.py      steps that overlap
blocks.py        the input in blocks; which columns it has
rows.py          rows of text formats
outputs.py       parts of the output, and how the file is made of them
store.py         finished parts on the disk, for one process at a time
manifest.py      what a job is, so that it goes on only as what it was

Importing this needs none of the tables' libraries: each is imported when a table of its kind comes.
"""
