"""Fetching the original weights: `npmoji download`.

    cache.py      where they are kept, and what is fetched from where
    download.py   the files of one model: checked, then renamed into place
    fetch.py      one file: resumed, retried, with a progress bar
    web.py        one HTTP request, and what its failures mean
"""
