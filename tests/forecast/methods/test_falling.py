"""Which series count as falling: those that leave chance downwards, not those that come down to it."""

from predictor.forecasting.methods.falling import falling_series
from predictor.forecasting.panel import build_panel
from predictor.results import read_results


def test_a_fall_that_has_come_down_to_chance_ends_there(testbed):
    panel = build_panel(read_results(testbed("gadre")), "rw_original")
    falling = {panel.series[row].task for row in falling_series(panel).nonzero()[0]}
    # Their largest models score within three standard errors of guessing: 27% and 24% of four choices, 45% of two.
    assert not falling & {"agi_eval_lsat_rc", "agi_eval_sat_en", "bigbench_strange_stories"}


def test_hard_items_that_opt_misses_below_chance_fall(testbed):
    panel = build_panel(read_results(testbed("exp_emergence")), "OPT")
    falling = {panel.series[row].task for row in falling_series(panel).nonzero()[0]}
    assert "arithmetic:accbin09of10" in falling
