"""Fashion-MNIST on disk to arrays: where it is, that it is the right one, how it is split. Needs numpy only.

Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
arXiv 1708.07747.
"""

from .labels import LABELS
from .sources import locate
from .splits import Split, SplitName, load_split

__all__ = ["LABELS", "Split", "SplitName", "load_split", "locate"]
