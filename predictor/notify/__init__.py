"""Telling people what happens: new scores, alarms, failures, a full disk, a coordinator gone silent."""

from predictor.notify.heartbeat import Heartbeat
from predictor.notify.news import News, news_of_disk, news_of_outcome
from predictor.notify.notifier import Notifier, make_notifier
from predictor.notify.silence import SilenceWatch

__all__ = ["Heartbeat", "News", "Notifier", "SilenceWatch", "make_notifier", "news_of_disk", "news_of_outcome"]
