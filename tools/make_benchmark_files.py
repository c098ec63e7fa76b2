"""Write tests/data/finetuning/benchmark_files: small files in the layout of the original's benchmarks.

    python2.7 tools/make_benchmark_files.py tests/data/finetuning/benchmark_files

Python 2.7 with NumPy 1.16, as the originals were: a file for each protocol and each of its two pickle modules. The
texts are made up, each a str or a unicode; labels are of every type that occurs. The files of a kind hold the same.
"""

from __future__ import unicode_literals  # noqa: UP010  (for Python 2)

import os
import pickle
import sys

import cPickle
import numpy as np

TEXTS = [b"plain", b'it\'s "quoted" \\ \\u0041 \t\n\x00', b"caf\xc3\xa9", "caf\xe9 \U0001f602 \\u0041", "", b"x" * 300]
PARTS = {b"train_ind": [4, 0, 2], b"val_ind": [1], b"test_ind": [5, 3]}
LABELS = {
    "numbers": [1, 0, True, np.int64(-3), 2**33, np.bool_(False)],
    "flags": [np.array([i % 2 == 0, i == 3]) for i in range(5)] + [[1, 0]],
    "names": [b"good", "schlecht", "na\xefve", b"na\xc3\xafve", np.str_("bad"), np.unicode_("\xe9")],
}

for kind, labels in LABELS.items():
    data = {b"texts": TEXTS, b"info": [{b"label": label, b"more": (1.5, None, 2**70)} for label in labels]}
    data.update(PARTS)
    for module in (pickle, cPickle):
        for protocol in (0, 1, 2):
            name = "_".join((kind, module.__name__.lower(), str(protocol))) + ".pickle"
            with open(os.path.join(sys.argv[1], name), "wb") as out:
                module.dump(data, out, protocol)
