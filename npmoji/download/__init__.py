"""Fetching the original weights: `npmoji download`. `sources` says from where, and where they are kept.

originals.py  the files of one model: checked, then renamed into place
fetch.py      one file: resumed, retried, with a progress bar
web.py        one HTTP request, and what its failures mean
"""
