"""What npmoji is installed from: wheel and source distribution; and npmoji inside an archive or a frozen
application."""

import configparser
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from conftest import ROOT
from test_package import FILES, PACKAGE

import npmoji
from npmoji import _pyinstaller
from npmoji.sources import bundled

TEXT = "I love mom's cooking"
#: what pages are made of, besides modules
ASSETS = {
    path.relative_to(PACKAGE.parent).as_posix()
    for room in ("pages", "serve")
    for path in (PACKAGE / room).iterdir()
    if path.suffix in (".html", ".css", ".js", ".svg")
}
SKIPPED = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist")

slow = pytest.mark.slow


def python(*arguments, folder, **environment):
    """Standard output of a Python that knows this npmoji only if the environment says so."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()
    return result.stdout.decode()


# Wheel and source distribution ---------------------------------------------------------------------------------------


def build(kind, tree, target):
    """Build a tree's ``"wheel"`` or ``"sdist"`` with the setuptools at hand, and return its path."""
    pytest.importorskip(
        "setuptools", minversion="70.1", reason="needs setuptools 70.1, which brings its own wheel builder"
    )
    target.mkdir(exist_ok=True)
    code = f"from setuptools import build_meta; build_meta.build_{kind}({str(target)!r})"
    python("-W", "ignore", "-c", code, folder=tree)
    (path,) = target.iterdir()
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the checkout, where an earlier build has left a module that is no longer there."""
    if not (ROOT / "setup.cfg").is_file():
        pytest.skip("needs the checkout's setup.cfg")
    folder = tmp_path_factory.mktemp("build") / "tree"
    shutil.copytree(ROOT, folder, ignore=SKIPPED)
    stale = folder / "build" / "lib" / "npmoji" / "stale.py"
    stale.parent.mkdir(parents=True)
    stale.touch()
    return folder


@pytest.fixture(scope="module")
def wheel(tree):
    return zipfile.ZipFile(build("wheel", tree, tree.parent / "wheel"))


@pytest.fixture(scope="module")
def sdist(tree):
    """The unpacked source distribution."""
    with tarfile.open(build("sdist", tree, tree.parent / "sdist")) as archive:
        archive.extractall(tree.parent, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (folder,) = tree.parent.glob("npmoji-*")
    return folder


def installed(wheel):
    """Names of the files that a wheel installs."""
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def metadata(wheel, name):
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path)


@slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel, tree):
    modules = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py")}
    weights = {f"npmoji/weights/{name}" for name in ("README.md", "deepmoji_small.hdf5", "vocabulary.json")}
    assert installed(wheel) == modules | weights | ASSETS | {"npmoji/py.typed"}
    assert os.listdir(tree / "build") == ["lib"]  # nothing was built there


@slow
def test_the_metadata(wheel):
    fields = message_from_bytes(metadata(wheel, "METADATA"))
    assert fields["Author"] and "emoji" in fields["Keywords"].split(",") and len(fields.get_all("Project-URL")) >= 1
    scripts = configparser.ConfigParser()
    scripts.read_string(metadata(wheel, "entry_points.txt").decode())
    assert scripts["pyinstaller40"]["hook-dirs"] == f"npmoji._pyinstaller:{_pyinstaller.hook_dirs.__name__}"
    description = fields.get_payload(decode=True).decode()
    links = re.findall(r"\]\(([^)]+)\)", re.sub(r"```.*?```|`[^`\n]*`", "", description, flags=re.DOTALL))
    assert all(link.startswith("https://") for link in links), links
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for text in re.findall(r"\[([^\]]+)\]\((?:docs|weights)/[^)]+\)", readme):  # of links and pictures
        assert f" `{text}`" in description or f"\n`{text}`" in description


@slow
def test_the_source_distribution_holds_what_its_tests_need(sdist, tree):
    for name in ("docs", "npmoji", "tests", "tools", "weights"):
        wanted = {path.relative_to(tree) for path in (tree / name).rglob("*") if path.is_file()}
        assert {path.relative_to(sdist) for path in (sdist / name).rglob("*") if path.is_file()} == wanted
    assert set(os.listdir(sdist)) >= {
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "setup.cfg",
    } and "build" not in os.listdir(sdist)
    assert "passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_docs.py", folder=sdist)


@slow
def test_the_same_is_installed_from_the_source_distribution(sdist, wheel):
    with zipfile.ZipFile(build("wheel", sdist, sdist.parent / "again")) as again:
        assert installed(again) == installed(wheel)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("[docs/a.md](docs/a.md), see", "`docs/a.md`, see"),
        ("[b](https://b.example/c) and [d](#e)", "[b](https://b.example/c) and [d](#e)"),
        ("`f[0](x)` `model['a'](b)`", "`f[0](x)` `model['a'](b)`"),
        ("```\nf[a](b)\n```\n", "```\nf[a](b)\n```\n"),
    ],
)
def test_links_of_the_description(text, wanted):
    pytest.importorskip("setuptools")
    assert runpy.run_path(str(ROOT / "tools" / "build_commands.py"))["without_relative_links"](text) == wanted


# Archives ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path):
    """Make an executable archive; ``weights``: where in it the bundled model lies, if at all."""

    def make(weights):
        path = tmp_path / "app.pyz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for module in PACKAGE.rglob("*.py"):
                archive.write(module, module.relative_to(PACKAGE.parent))
            for name in ASSETS:
                archive.write(PACKAGE.parent / name, name)
            for name in ("deepmoji_small.hdf5", "vocabulary.json") if weights else ():
                archive.write(Path(bundled()).with_name(name), f"{weights}/{name}")
            lines = [
                "import npmoji",
                "model = npmoji.load(engine='numpy')",
                f"print(model.top([{TEXT!r}]))",
                "print(model.path)",
                "from npmoji.pages import page",
                "print('--text' in page('', ''))",
            ]
            archive.writestr("__main__.py", "\n".join(lines))
        (tmp_path / "temporary").mkdir()
        return path

    return make


@pytest.mark.parametrize("weights", ["npmoji/weights", "weights"], ids=["as installed", "as in a checkout"])
def test_the_bundled_model_is_found_in_an_archive(app, weights, tmp_path):
    out = python(app(weights), folder=tmp_path, TMPDIR=str(tmp_path / "temporary"), PYTHONIOENCODING="utf-8")
    top, path, styled = out.splitlines()
    assert styled == "True"
    assert top == str(npmoji.load(engine="numpy").top([TEXT]))
    assert Path(path).name == "deepmoji_small.hdf5" and not os.path.exists(path)
    if os.name == "posix":
        assert os.listdir(tmp_path / "temporary") == []


def test_an_archive_without_it_says_so(app, tmp_path):
    code = f"import sys; sys.path.insert(0, {str(app(None))!r}); import npmoji\n"
    code += "try: npmoji.load()\nexcept npmoji.WeightsError as e: print(e)"
    out = python("-c", code, folder=tmp_path)
    assert (
        "app.pyz" in out and "'deepmoji_small.hdf5' are missing" in out and "load other weights with load(path)" in out
    )


# Frozen applications --------------------------------------------------------------------------------------------------


def test_the_hook_names_all_modules_the_weights_and_the_files_of_pages():
    (folder,) = _pyinstaller.hook_dirs()
    hook = runpy.run_path(os.path.join(folder, "hook-npmoji.py"))
    assert set(hook["hiddenimports"]) == {name for name in FILES if not name.startswith("npmoji._pyinstaller")}
    weights = {"npmoji/weights/deepmoji_small.hdf5", "npmoji/weights/vocabulary.json"}
    assert {f"{target}/{Path(source).name}" for source, target in hook["datas"]} == weights | ASSETS
    assert all(os.path.isfile(source) for source, _ in hook["datas"])
    assert hook["excludedimports"] == ["torch"]


@slow
@pytest.mark.skipif(os.name != "posix", reason="an empty environment is none on Windows")
def test_a_frozen_application(tmp_path):
    pytest.importorskip("PyInstaller", reason="needs PyInstaller")
    lines = [
        "import sys, npmoji",
        f"print(npmoji.load(engine=sys.argv[1]).top([{TEXT!r}])[0][0].id)",
        "from npmoji.pages import page",
        "print('torch' in sys.modules, '--text' in page('', ''))",
    ]
    (tmp_path / "app.py").write_text("\n".join(lines))
    options = ["--onedir", "--log-level", "ERROR", "--additional-hooks-dir", *_pyinstaller.hook_dirs()]
    python("-m", "PyInstaller", *options, "app.py", folder=tmp_path, PYTHONPATH=str(PACKAGE.parent))
    wanted = f"{npmoji.load(engine='numpy').top([TEXT])[0][0].id}\nFalse True\n"
    program = tmp_path / "dist" / "app" / "app"
    for engine, folder in (("numpy", "/"), ("numba", "/"), ("numba", tmp_path)):
        result = subprocess.run(
            [program, engine], cwd=folder, env={"HOME": str(tmp_path)}, capture_output=True, check=False
        )
        assert (result.stdout.decode(), result.stderr) == (wanted, b"")
    assert len(os.listdir(tmp_path / ".cache" / "numba")) == 1  # compiled once, wherever it is started
    assert not list((tmp_path / "dist").rglob("*torch*"))
