"""LaTeX: a project of many files put together, and running text made of it."""

from ganita.corpus.reading.latex.cleaning import clean_latex
from ganita.corpus.reading.latex.project import Project, project_roots, read_project

__all__ = ["Project", "clean_latex", "project_roots", "read_project"]
