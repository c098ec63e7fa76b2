"""What is said of compilation: once where it takes place, and that it will be again where nothing can be kept."""

import os
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import pytest

import npmoji

PACKAGE = Path(npmoji.__file__).parent
#: few and small kernels, and only their compilation
CODE = (
    "from npmoji.kernels.target import jit, types\nimport sys\n{before}\n"
    "@jit(types.float32(types.float32))\ndef double(x):\n    return x + x\nassert double(3) == 6"
)


@pytest.fixture
def package(tmp_path):
    """A copy of what compiling one function needs, beside which nothing can be cached; with that function as a
    module."""
    for name in ("__init__.py", "errors.py", "patience.py", "kernels/target.py", "kernels/notices.py"):
        target = tmp_path / "npmoji" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, target)
    (tmp_path / "npmoji" / "kernels" / "__init__.py").touch()
    (tmp_path / "npmoji" / "kernels" / "__pycache__").touch()  # no folder of that name can be made
    (tmp_path / "npmoji" / "kernels" / "trial.py").write_text(CODE.format(before=""))
    return tmp_path


def run(path, terminal=False, code="import npmoji.kernels.trial", **environment):
    """Standard error of a process with such a path, whose user has no cache folder."""
    nowhere = {"HOME": "/dev/null/no", "XDG_CACHE_HOME": "/dev/null/no", "NUMBA_CACHE_DIR": ""}
    environment = os.environ | {"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"} | nowhere | environment
    code = f"import sys; sys.stderr.isatty = lambda: {terminal}; {code}"
    result = subprocess.run([sys.executable, "-c", code], env=environment, cwd="/", stderr=subprocess.PIPE, check=True)
    return result.stderr.decode()


posix = pytest.mark.skipif(os.name != "posix", reason="needs /dev/null")


@posix
def test_only_the_first_compilation_on_a_terminal_says_so(package):
    place = {"NUMBA_CACHE_DIR": str(package / "cache")}
    assert run(package, **place, code="pass") == ""
    assert run(package, terminal=True, **place) == "npmoji: compiling the kernels, once per machine: some seconds ...\n"
    assert run(package, terminal=True, **place) == ""  # found in the cache
    assert run(package, terminal=False, **place | {"NUMBA_CACHE_DIR": str(package / "another")}) == ""


@posix
@pytest.mark.parametrize("terminal", [False, True])
def test_without_a_cache_folder_a_warning_names_the_remedy(package, terminal):
    for _ in range(2):
        error = run(package, terminal=terminal)
        assert error.count("RuntimeWarning: compiled kernels cannot be kept, so every process will compile them") == 1
        assert "NUMBA_CACHE_DIR" in error and "npmoji: compiling" not in error


@posix
def test_in_an_archive_the_warning_says_so(package):
    archive = package / "app.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (package / "npmoji").rglob("*.py"):
            file.write(path, path.relative_to(package))
    error = run(archive)
    assert "every process will compile them" in error and "npmoji is in an archive" in error


def test_others_functions_are_not_announced(capsys, monkeypatch):
    from npmoji.kernels import notices

    notice = notices.Notices()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    function = types.FunctionType((lambda: 0).__code__, {"__name__": "elsewhere"})
    event = types.SimpleNamespace(data={"dispatcher": types.SimpleNamespace(py_func=function)})
    notice.on_start(event)
    assert capsys.readouterr().err == ""
    function.__module__ = "npmoji.kernels.float32"
    notice.on_start(event)
    notice.on_start(event)
    assert capsys.readouterr().err == notices.COMPILING + "\n"


def test_in_a_frozen_application_the_cache_does_not_depend_on_the_folder(monkeypatch, tmp_path):
    from npmoji.kernels.target import place_in_application

    def function():
        return None

    relative = os.path.join("npmoji", "kernels", "some.py")  # as PyInstaller names them
    function.__code__ = function.__code__.replace(co_filename=relative)
    place_in_application(function)
    assert function.__code__.co_filename == relative
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "app"))
    place_in_application(function)
    assert function.__code__.co_filename == str(tmp_path / f"{__name__}.py")
