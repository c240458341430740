"""The stages of a silo, and the settings under which they are asked for."""

from training.config import TrainingConfig

STAGES = ("popularity", "intervals", "copurchase", "rhythm", "season", "followups", "demand", "towers")
SUMS = STAGES[:-1]
SETTINGS = TrainingConfig(rhythm={"as_of": "2026-06-29T00:00:00Z"}).silo_settings(ordered=True)
