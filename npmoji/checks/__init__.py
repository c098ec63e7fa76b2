"""Outputs against outputs: for authors of other ports, and for whoever got a weights file from somewhere.

golden.py         every layer's output for a list of texts, the same bytes on any machine
golden_files.py   golden outputs in files: folders, .npz, .npy, .json
golden_texts.py   a list of texts and token ids that catch mistakes
compare.py        golden outputs against a candidate's: figures, places, a verdict
differences.py    the figures of one tensor
faults.py         the classic porting faults, and which of them explains a difference
planting.py       DeepMoji with one fault in it
verify.py         weights against the results that their authors published, or that their file carries
"""
