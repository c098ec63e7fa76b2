"""Why this class: each word's attention and contribution, in a terminal, a notebook and a page; maps of many texts.

explanation.py   what `Model.explain` gives
leave_out.py     how it is computed: each text without each of its words
suited.py        which networks can be explained
targets.py       which class a caller means
terminal.py      an explanation as text: spans.py, colours.py
page.py          the same as HTML: marking.py; predictions and models as tables, tables.py
map_page.py      a map as HTML: map_data.py, and where its points are, projection.py
"""
