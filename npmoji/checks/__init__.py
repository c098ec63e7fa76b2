"""Comparing outputs: for authors of other ports, and for users with a weights file of unknown origin.

golden.py         every layer's output for a list of texts, byte-identical on any machine
golden_files.py   golden outputs in files: folders, .npz, .npy, .json
golden_texts.py   a list of texts and token ids that expose mistakes
compare.py        compares a candidate's outputs with golden ones: figures, positions, a verdict
differences.py    the figures for one tensor
faults.py         the classic porting faults
diagnosis.py      which of them, or which pair, explains a difference
planting.py       DeepMoji with faults in it
masks.py          kinds of padding, and masks made from lengths
verify.py         checks weights against results published by their authors, or stored in their file
"""
