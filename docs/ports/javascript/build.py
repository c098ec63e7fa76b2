"""One HTML file with everything in it, the code and a model: it runs wherever it is opened, also from a disk.

    python docs/ports/javascript/build.py npmoji.html                  # the bundled model, 2.2 MB
    python docs/ports/javascript/build.py mine.html --weights mine.safetensors

Options as of `npmoji convert`; the precision is fp16 unless told otherwise.
"""

import argparse
import base64
import re
import tempfile
from pathlib import Path

from npmoji import load
from npmoji.export.convert import convert

HERE = Path(__file__).resolve().parent
IMPORT = 'import("./npmoji.js")'
END = "</body>"


def module() -> str:
    """The code of unicode52.js and npmoji.js as the body of a function that returns what they export."""
    code = "\n".join((HERE / name).read_text(encoding="utf-8") for name in ("unicode52.js", "npmoji.js"))
    code = re.sub(r"^import .*\n", "", code, flags=re.MULTILINE)
    code, count = re.subn(r"^export (?=class|function|const)", "", code, flags=re.MULTILINE)
    if not count or re.search(r"^(import|export)\b|</script|<!--", code, flags=re.MULTILINE):
        raise ValueError("the modules have an import, an export or a tag that cannot be written into a page")
    return f"(() => {{\n{code}\nreturn {{ Model }};\n}})()"


def page(model: bytes) -> str:
    """index.html with the code and the model, the content of a .safetensors file, inside."""
    html = (HERE / "index.html").read_text(encoding="utf-8")
    data = base64.b64encode(model).decode("ascii")
    for old, new in ((IMPORT, module()), (END, f'<script id="model" type="text/plain">{data}</script>\n{END}')):
        if html.count(old) != 1:
            raise ValueError(f"index.html: expected {old!r} once, found it {html.count(old)} times")
        html = html.replace(old, new)
    return html


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("target", help="the page to write")
    parser.add_argument("--weights", help="by default the bundled model's")
    parser.add_argument("--vocabulary", help="by default the one in the file or beside it")
    parser.add_argument("--precision", choices=("fp32", "fp16", "int8"), default="fp16")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        source = given.weights or load(engine="numpy").path
        convert(source, path, precision=given.precision, vocabulary=given.vocabulary)
        html = page(path.read_bytes())
    Path(given.target).write_text(html, encoding="utf-8")
    print(f"{given.target}: {len(html.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
