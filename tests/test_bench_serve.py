"""The load test of the server in miniature: that its rows are there, and that no bad request does harm. No time is
looked at."""

import importlib.util
import sys

import pytest
from conftest import ROOT

for _module in ("starlette", "uvicorn"):
    pytest.importorskip(_module, reason="needs the server: pip install '.[serve]'")
if not (ROOT / "tools" / "bench_serve.py").is_file():
    pytest.skip("needs the checkout's tools", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")]


@pytest.fixture(scope="module")
def tool():
    sys.path.insert(0, str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("bench_serve", ROOT / "tools" / "bench_serve.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_number_of_clients_has_its_figures_with_and_without(tool, capsys):
    arguments = ["--rounds", "1", "--seconds", "0.5", "--clients", "1", "4", "--count", "20"]
    assert tool.main(arguments) == 0
    out = capsys.readouterr().out
    rows = [line.split(" | ") for line in out.splitlines() if line.startswith("| ")]
    assert [row[:2] for row in rows[1:]] == [[f"| {mode}", n] for mode in tool.MODES for n in ("1", "4")]
    assert all(float(cell.strip(" |").replace(",", "")) > 0 for row in rows[1:] for cell in row[2:])


def test_bad_requests_do_no_harm(tool, capsys):
    assert tool.main(["--abuse", "160"]) == 0
    out = capsys.readouterr().out
    assert "160 bad requests" in out and "the server still runs" in out
    assert "good requests answered wrongly: 0; lines on standard error: 0" in out
