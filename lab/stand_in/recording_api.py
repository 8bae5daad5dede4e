"""`recording-api`: plays recordings to web."""

from __future__ import annotations

from stand_in.analytics import Analytics
from stand_in.objects import Objects
from stand_in.player import Player
from stand_in.serving import serve
from stand_in.settings import Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    assert settings.objects is not None  # settings.py saw to that
    player = Player(Objects(settings.objects), Analytics(settings), settings.recording_api_secret)
    serve(player.answer, settings.address)
