"""What the browser SDK asks before anything else: /array/TOKEN/config (posthog/models/remote_config.py).

Pure. What the stand-in does not have is off. The SDK itself (/array/TOKEN/array.js) is PostHog's code, and not here.
"""

from __future__ import annotations

import json
from typing import Any

RECORDING = {
    "endpoint": "/s/",
    "consoleLogRecordingEnabled": False,
    "recorderVersion": "v2",
    "sampleRate": None,
    "minimumDurationMilliseconds": None,
    "linkedFlag": None,
    "networkPayloadCapture": None,
    "urlTriggers": [],
    "urlBlocklist": [],
    "eventTriggers": [],
    "scriptConfig": None,
}


def config(token: str, *, flags: bool, recording: bool) -> dict[str, Any]:
    """Return what the SDK may do in a project."""
    return {
        "token": token,
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": flags,
        "captureDeadClicks": False,
        "capturePerformance": False,
        "autocapture_opt_out": False,
        "autocaptureExceptions": False,
        "analytics": {"endpoint": "/i/v0/e/"},
        "elementsChainAsString": True,
        "sessionRecording": dict(RECORDING) if recording else False,
        "heatmaps": False,
        "surveys": False,
        "defaultIdentifiedOnly": True,
        "siteApps": [],
    }


def script(token: str, found: dict[str, Any]) -> str:
    """Return the same as the script that the SDK's loader brings into a page."""
    entry = {"config": {key: value for key, value in found.items() if key != "siteApps"}, "siteApps": []}
    return (
        "(function() {\n"
        "  window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {};\n"
        f"  window._POSTHOG_REMOTE_CONFIG[{json.dumps(token)}] = {json.dumps(entry)};\n"
        "})();\n"
    )
