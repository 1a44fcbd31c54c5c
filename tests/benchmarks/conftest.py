"""Scripts of benchmarks import each other, as `python benchmarks/SCRIPT.py` lets them."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
