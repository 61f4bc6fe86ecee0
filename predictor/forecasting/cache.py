"""Keep fitted forecasts by the hash of all that goes into them, so that asking again costs nothing."""

from __future__ import annotations

import hashlib
import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from predictor import __version__
from predictor.errors import PredictorError
from predictor.forecasting.target import Forecast
from predictor.results.files import write_text_atomically

logger = logging.getLogger(__name__)


class ForecastCache:
    """Forecasts on disk, one JSON file each.

    Args:
        folder: where; the user's cache folder where None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(platformdirs.user_cache_dir("predictor")) / "forecasts"

    def get(self, key: str) -> Forecast | None:
        """Look a forecast up; a damaged file counts as none."""
        try:
            return Forecast.from_json(json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, forecast: Forecast) -> None:
        """Keep a forecast; a cache that cannot be written is no error."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text_atomically(self.folder / f"{key}.json", json.dumps(forecast.to_json()))
        except (OSError, PredictorError) as error:
            logger.debug("forecast not cached: %s", error)


def cache_key(inputs: dict[str, str], **options: Any) -> str:
    """Hash the inputs' hashes, the options, the version and the code that would be run."""
    text = json.dumps([inputs, options, __version__, _code_digest()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _code_digest() -> str:
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for folder in ("benchmarks", "forecasting", "difficulty", "fitting", "laws", "results"):
        for path in sorted((package / folder).rglob("*")):
            if path.suffix in (".py", ".csv"):
                digest.update(path.read_bytes())
    return digest.hexdigest()
