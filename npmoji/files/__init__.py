"""Files: which one a path means, mapped ones, and new ones that appear whole or not at all.

paths.py      text, bytes, ``~`` and ``file://`` addresses to a path
mapping.py    the bytes of a file, mapped and watched
whole.py      files and folders that take their name only when they are complete
parts.py      what they are called until then, and what killed processes leave of them
npy.py        `.npy` files
digest.py     a file's sha256
"""
