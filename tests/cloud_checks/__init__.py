"""The checks of a cloud's side, on an emulated account; moto reads these settings when it is loaded."""

import os
from pathlib import Path

os.environ["MOTO_AMIS_PATH"] = str(Path(__file__).with_name("images.json"))
