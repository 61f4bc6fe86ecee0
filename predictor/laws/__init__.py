"""The law library: formulas with inputs, parameters, units and sources. It imports nothing else of the project."""

from predictor.laws.law import Input, Law, Parameter
from predictor.laws.library import LAWS, get_law

__all__ = ["LAWS", "Input", "Law", "Parameter", "get_law"]
