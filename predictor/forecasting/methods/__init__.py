"""Forecasting methods behind one `fit` and `predict`."""

from predictor.forecasting.methods.ability import Ability, AbilityHeldoutLoss
from predictor.forecasting.methods.difficulty import Difficulty
from predictor.forecasting.methods.direct import BrokenPower, Direct, DirectSizeAndData
from predictor.forecasting.methods.falling import TurnsFalls
from predictor.forecasting.methods.families import AbilityFamilies
from predictor.forecasting.methods.last_value import LastValue
from predictor.forecasting.methods.method import Fitted, Method, NeedsResults, Resampling
from predictor.forecasting.methods.skills import Skills
from predictor.forecasting.methods.two_step import TwoStepHeldoutLoss, TwoStepTaskLoss

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        LastValue(),
        TurnsFalls(Direct()),
        TurnsFalls(DirectSizeAndData()),
        TurnsFalls(BrokenPower()),
        TurnsFalls(TwoStepTaskLoss()),
        TurnsFalls(TwoStepHeldoutLoss()),
        TurnsFalls(Ability()),
        TurnsFalls(AbilityHeldoutLoss()),
        AbilityFamilies(),
        Skills(),
        Difficulty({}, {}),
    )
}

__all__ = ["METHODS", "Fitted", "Method", "NeedsResults", "Resampling"]
