"""Self-contained HTML: one frame, one stylesheet and one way to escape for everything that npmoji shows in a browser.

frame.py     the document around a body: `page`, and the files that lie here, `asset`
escaping.py  text into HTML and values into scripts, whatever they hold: `escape`, `isolated`, `data`
style.css    colours (light and dark), type, tables and buttons of a whole page
words.css    highlighted words, bars and their table; the same on a page and in a notebook
"""

from .escaping import data as data
from .escaping import escape as escape
from .escaping import isolated as isolated
from .frame import asset as asset
from .frame import page as page
