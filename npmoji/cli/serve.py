"""`npmoji serve`: a page where one types and sees emojis, and a JSON API."""

from __future__ import annotations

import argparse

from ..serve.limits import MEANING, Limits
from .models import load
from .options import add_model_options, positive, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.description = "Serve a page and a JSON API; see docs/serving.md. Needs: pip install 'npmoji[serve]'."
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine)"
    )
    parser.add_argument("--port", type=port, default=8000, help="the port (default 8000); 0: any that is free")
    names = "a name, or NAME:PORT, that requests may ask for, besides localhost and the address; repeatable"
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=names)
    line = "write a line for each request to standard error: method, path, status, time and number of texts"
    parser.add_argument("--log", action="store_true", help=line)
    group = parser.add_argument_group("limits")
    defaults = Limits()._asdict()
    for name, text in MEANING.items():
        kind = whole if name == "max_wait_ms" else positive
        said = f"at most so many {text} (default {defaults[name]:,})"
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, default=defaults[name], metavar="N", help=said)
    add_model_options(parser)


def port(text: str) -> int:
    """argparse type: a port's number."""
    number = whole(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, expected 0 to 65535")
    return number


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from ..files.extras import need

    for module in ("starlette", "uvicorn"):
        need(module, "serve", "npmoji serve")
    from ..serve.hosts import Hosts
    from ..serve.server import bound, serve

    hosts = Hosts(arguments.host, arguments.allow_host)
    limits = Limits(**{name: getattr(arguments, name) for name in MEANING})
    if arguments.engine == "auto":
        arguments.engine = "numba"  # whose bits do not depend on what is computed together
    with bound(arguments.host, arguments.port) as listener, load(arguments) as model:
        serve(model, listener, hosts, limits, arguments.log)
