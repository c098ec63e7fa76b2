"""What building npmoji does differently from setuptools' own commands; `setup.cfg` names these classes.

Nothing of an earlier build may get into a later one, a source distribution holds what its tests need, and the
description on an index page has no dead links. Nothing here is run by an installed npmoji.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile

from setuptools.command.build import build
from setuptools.command.egg_info import egg_info
from setuptools.command.sdist import sdist

BESIDES = ("docs", "tests", "tools")  # folders of a source distribution beside those that are installed
LEFT_OUT = re.compile(r"__pycache__|\.pyc$|\.part$|/\.")
CODE_OR_RELATIVE_LINK = re.compile(r"(```.*?```|`[^`\n]*`)|!?\[([^\]]+)\]\((?![a-z]+:|#)[^)]+\)", re.DOTALL)


class Build(build):
    """In a folder of its own: `build/` would keep modules that are no longer there, and the wheel takes all it
    finds."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.build_base = tempfile.mkdtemp(prefix="npmoji-build-")
        atexit.register(shutil.rmtree, self.build_base, ignore_errors=True)


class SourceDistribution(sdist):
    """With the tests and what they need; setuptools takes such a list from a file at the top only."""

    def make_distribution(self) -> None:
        for top in BESIDES:
            for folder, _, names in os.walk(top):
                paths = [os.path.join(folder, name) for name in names]
                self.filelist.extend([path for path in paths if not LEFT_OUT.search(path.replace(os.sep, "/"))])
        self.filelist.sort()
        self.filelist.remove_duplicates()
        super().make_distribution()


class Metadata(egg_info):
    """A link into the checkout leads nowhere on an index page: its text, a path in the source distribution, stays."""

    def finalize_options(self) -> None:
        super().finalize_options()
        metadata = self.distribution.metadata
        metadata.long_description = without_relative_links(metadata.long_description or "")


def without_relative_links(text: str) -> str:
    """Markdown with the text of each relative link, as code, in the link's place."""
    return CODE_OR_RELATIVE_LINK.sub(lambda found: found[1] or f"`{found[2]}`", text)
