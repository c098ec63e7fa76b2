"""Checks under emulation that arm64 gives the same bits as this machine: an arm64 Debian userland and the aarch64
wheels of NumPy, Numba and h5py, run by QEMU.

    apt-get install qemu-user-static debootstrap        (as root, as is this program's first run)
    python tools/check_arm64.py FOLDER                  (needs pip, and Python 3.11, Debian's own; some 10 minutes)
    python tools/check_arm64.py FOLDER --tests          also runs the kernels' own tests there

Compared are the digests of the kernels' tests for fp32, fp16 and int8, those of probabilities and features of the
bundled model at each precision, and the files of `npmoji golden --builtin`. FOLDER keeps what was downloaded and what
Numba compiled. Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MIRROR = "http://deb.debian.org/debian"
RELEASE, PYTHON = "bookworm", "3.11"
PACKAGES = ("numpy", "numba", "h5py", "pytest")
PLATFORMS = [f"manylinux{version}_aarch64" for version in ("2014", "_2_17", "_2_27", "_2_28")]
KERNELS = [
    f"test_{name}.py"
    for name in ("kernels", "kernels_dense", "kernels_gru", "kernels_heads", "kernels_int8", "one_text")
]
ALONE = "not target and not without_a_cache_folder"  # the others start processes, which QEMU alone cannot

#: what is run on both: prints a line for each digest
DIGESTS = """
import hashlib, platform
import numpy as np
import npmoji, test_kernels, test_kernels_gru, test_kernels_int8
from npmoji.kernels.target import LANES

print("machine", platform.machine(), "lanes", LANES)
print("kernels of fp32 and fp16:", test_kernels.digest())
print("kernels of GRU, and LSTM with states:", test_kernels_gru.digest())
print("kernels of int8:", test_kernels_int8.digest())
rng = np.random.default_rng(0)
for precision in ("fp32", "fp16", "int8"):
    model = npmoji.load(engine="numba", precision=precision)
    tokens = rng.integers(0, 400, (40, 30)) * (np.arange(30) < rng.integers(0, 31, (40, 1)))
    for name in ("predict", "encode"):
        compute = getattr(model, name)
        print(f"{name} at {precision}:", hashlib.sha256(compute(tokens).tobytes()).hexdigest())
        alone = b"".join(compute(row[None]).tobytes() for row in tokens)
        print(f"{name} at {precision}, each text alone:", hashlib.sha256(alone).hexdigest())
"""


def userland(folder: Path) -> Path:
    """Debian's arm64 files with Python, unpacked in the folder."""
    root = folder / "root"
    if not (root / "usr" / "bin" / f"python{PYTHON}").exists():
        shutil.rmtree(root, ignore_errors=True)
        include = f"--include=python3,libpython{PYTHON}"
        run("debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", include, RELEASE, root, MIRROR)
        for package in sorted((root / "var" / "cache" / "apt" / "archives").glob("*.deb")):
            run("dpkg-deb", "-x", package, root)  # debootstrap itself unpacks only some
    return root


def packages(folder: Path) -> Path:
    """The wheels for arm64, unpacked in the folder."""
    site = folder / "site"
    if not site.exists():
        platforms = [f"--platform={name}" for name in PLATFORMS]
        options = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", "-d", folder / "wheels"]
        run(sys.executable, "-m", "pip", "download", "-q", *platforms, *options, *PACKAGES)
        for wheel in sorted((folder / "wheels").glob("*.whl")):
            zipfile.ZipFile(wheel).extractall(site)
    return site


def run(*command: object, **environment: str) -> str:
    """A command's output; the program ends if it fails."""
    done = subprocess.run(
        list(map(str, command)), check=False, env={**os.environ, **environment}, stdout=subprocess.PIPE
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))[:200]}: exit code {done.returncode}")
    return done.stdout.decode()


class Machine:
    """A way to run Python with npmoji."""

    def __init__(self, command: list[object], folder: Path, site: Path | None = None):
        self.command, self.folder = command, folder
        path = [str(place) for place in (ROOT, ROOT / "tests", site) if place]
        self.environment = {"PYTHONPATH": os.pathsep.join(path), "NUMBA_CACHE_DIR": str(folder / "cache")}

    def python(self, *arguments: object) -> str:
        """The output of Python with these arguments."""
        return run(*self.command, "-B", *arguments, **self.environment)

    def results(self) -> dict[str, str]:
        """Digests by what they are of."""
        lines = self.python("-c", DIGESTS).splitlines()
        print(lines[0])
        found = dict(line.split(": ") for line in lines[1:])
        golden = self.folder / "golden"
        shutil.rmtree(golden, ignore_errors=True)
        self.python("-m", "npmoji", "golden", "--builtin", golden)
        return found | {
            f"golden {path.name}": hashlib.sha256(path.read_bytes()).hexdigest() for path in golden.iterdir()
        }


def main() -> int:
    """Compare; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tests", action="store_true", help="also run the kernels' own tests under emulation")
    options = parser.parse_args()
    folder = options.folder.resolve()
    for name in ("here", "arm64"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    root, site = userland(folder), packages(folder)
    emulated = ["qemu-aarch64-static", "-cpu", "max", "-L", root, root / "usr" / "bin" / f"python{PYTHON}"]
    arm = Machine(emulated, folder / "arm64", site)
    ours, theirs = Machine([sys.executable], folder / "here").results(), arm.results()
    for name, digest in ours.items():
        print("same" if theirs.get(name) == digest else "DIFFERENT", name, digest[:16])
    if options.tests:
        print(
            arm.python(
                "-m",
                "pytest",
                "-q",
                "-p",
                "no:cacheprovider",
                "-k",
                ALONE,
                *(ROOT / "tests" / name for name in KERNELS),
            )
        )
    return int(ours != theirs)


if __name__ == "__main__":
    sys.exit(main())
