"""The stand-in's decisions. Its package lies in lab/, where nothing of the product imports it from."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lab"))
