"""Executable functions and format schemas: where the configuration names them they are there, or nothing starts.

The real server starts without them and fails at the first query; PostHog's migrations are such queries. The engine
itself runs the functions.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from analytics_store.merging import word

CONFIG = "user_defined_executable_functions_config"
SCRIPTS = "user_scripts_path"
SCHEMAS = "format_schema_path"


@dataclass(frozen=True)
class Functions:
    """Where executable functions are declared, and the folder of their programs."""

    config: str
    scripts: str

    @property
    def xml(self) -> str:
        """Return it for the engine's own configuration."""
        return f"<{SCRIPTS}>{escape(self.scripts)}</{SCRIPTS}><{CONFIG}>{escape(self.config)}</{CONFIG}>"


def read_functions(server: ElementTree.Element, wrong: list[str]) -> Functions | None:
    """Return where functions are, None where none are configured; say in `wrong` what is missing."""
    schemas = word(server, SCHEMAS)
    if schemas and not (Path(schemas).is_dir() and any(Path(schemas).iterdir())):
        wrong.append(f"{SCHEMAS}: {schemas} holds no schemas")
    config, scripts = word(server, CONFIG), word(server, SCRIPTS)
    if not config and not scripts:
        return None
    try:
        commands = [each.text or "" for each in ElementTree.parse(config).iterfind("function/command")]  # noqa: S314
    except (OSError, ElementTree.ParseError) as error:
        wrong.append(f"{CONFIG}: {config}: {error}")
        return None
    for command in commands:
        program = Path(scripts, command.split()[0] if command.split() else "")
        if not (program.is_file() and os.access(program, os.X_OK)):
            wrong.append(f"{SCRIPTS}: {program} is no program")
        elif os.access(program, os.W_OK) and os.geteuid() != 0:
            wrong.append(f"{SCRIPTS}: the server could change {program}")
    if not commands:
        wrong.append(f"{CONFIG}: {config} declares no function")
    return Functions(config, scripts)
