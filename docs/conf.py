"""Sphinx configuration. The build reaches for nothing on the network."""

import os

from scipy.sparse.linalg import LinearOperator
from sphinx.util.inspect import signature, stringify_signature

from lazyop import __version__

project = "lazyop"
author = "the lazyop developers"
copyright = f"2026, {author}"
release = version = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["api/templates"]
# The headers of the gallery's folders are read by sphinx-gallery and are no pages of their own.
exclude_patterns = ["api/templates", "gallery"]

html_theme = "pydata_sphinx_theme"
html_title = f"lazyop {release}"
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_end": [],
}

autosummary_generate = True
# Where file names ignore case, these would overwrite the pages of Kron and KronSum.
autosummary_filename_map = {
    "lazyop.kron": "lazyop.kron_function",
    "lazyop.kronsum": "lazyop.kronsum_function",
}
autodoc_member_order = "bysource"
# The numpydoc sections say what each argument is.
autodoc_typehints = "none"
# The template of a class lists its members.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    # Run every example, whatever its name.
    "filename_pattern": os.sep,
    # Also those that have not changed since: the package may have.
    "run_stale_examples": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
}


def constructor_signature(app, what, name, obj, options, given, return_annotation):
    """Show an operator's ``__init__``, where Sphinx shows the ``__new__`` of SciPy's base class."""
    if what != "class" or not issubclass(obj, LinearOperator):
        return None
    parameters = signature(obj.__init__, bound_method=True)
    return stringify_signature(parameters, show_annotation=False), None


def setup(app):
    """Connect what this file defines."""
    # Before numpydoc, as the first answer counts.
    app.connect("autodoc-process-signature", constructor_signature, priority=400)
