"""PyInstaller's hook: what npmoji imports by name, when it is first needed, the bundled model, and the files that
pages are made of.

Not PyTorch, which is large: an application that uses ``engine="torch"`` imports it itself, or names it with
--hidden-import.
"""

# ruff: noqa: N999  (PyInstaller wants this name)
from pathlib import Path

import npmoji

package = Path(npmoji.__file__).parent
modules = sorted(path.relative_to(package.parent).with_suffix("") for path in package.rglob("*.py"))
hiddenimports = [".".join(path.parts).removesuffix(".__init__") for path in modules if "_pyinstaller" not in path.parts]
weights = next(path for path in (package / "weights", package.parent / "weights") if path.is_dir())
datas = [(str(path), "npmoji/weights") for path in weights.iterdir() if path.suffix in (".hdf5", ".json")]
for room in ("pages", "serve"):
    files = sorted(path for path in (package / room).iterdir() if path.suffix in (".html", ".css", ".js", ".svg"))
    datas += [(str(path), f"npmoji/{room}") for path in files]
excludedimports = ["torch"]
