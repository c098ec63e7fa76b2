"""Files: paths, memory-mapped files, and new files that appear whole or not at all.

paths.py      text, bytes, ``~`` and ``file://`` addresses to a path
mapping.py    a file's bytes, memory-mapped and checked for changes
whole.py      files and folders that take their name only when they are complete
parts.py      unfinished ones, and what killed processes leave of them
npy.py        `.npy` files
digest.py     a file's sha256
packed.py     compressed files being written
zstd.py       Zstandard, which needs a package before Python 3.14
extras.py     packages that only some uses need
"""
