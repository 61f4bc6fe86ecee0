"""Messages arrive at real servers; one that does not answer delays nothing."""

import queue
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from predictor.cli.notify import command
from predictor.errors import ConfigError
from predictor.evaluation.coordinator import Outcome
from predictor.notify import Heartbeat, News, Notifier, SilenceWatch, news_of_disk, news_of_outcome
from predictor.results.ledger import Ledger, PairKey
from predictor.scheduling import Notify

PATIENCE = 20


def scores(count):
    return News("scores", f"{count} new scores", (f"160m step 1000: {count} tasks",))


def test_news_arrives_by_mail_and_at_a_webhook_without_secrets(mail_server, hook, monkeypatch):
    address, mail = mail_server
    monkeypatch.setenv("STORE_PASSWORD", "correct-horse-battery")
    monkeypatch.setenv("PLACE", hook.url.removeprefix("json://"))
    settings = Notify(urls=(address, "json://${PLACE}"))
    failed = News("failure", "2 pairs failed", ("2: no answer from postgresql://me:hunter2secret@db/x",))
    leaked = News("quarantine", "160m step 5 cannot be scored", ("wrong password correct-horse-battery",))
    with Notifier(settings, "ladder") as notifier:
        notifier.send([scores(3), failed, leaked])
        letters = [mail.get(timeout=PATIENCE) for _ in range(3)]
        posts = [hook.taken.get(timeout=PATIENCE) for _ in range(3)]
    (told,) = [letter for letter in letters if "predictor, ladder: 3 new scores" in letter]
    assert "3 new scores\n  160m step 1000: 3 tasks" in told.replace("\r", "").replace("=20", " ")
    assert {post["title"] for post in posts} == {
        "predictor, ladder: 3 new scores",
        "predictor, ladder: 2 pairs failed",
        "predictor, ladder: 160m step 5 cannot be scored",
    }
    everything = "".join(letters) + str(posts)
    assert "hunter2secret" not in everything
    assert "correct-horse-battery" not in everything
    assert "postgresql://me:***@db/x" in str(posts)


def test_what_happens_meanwhile_is_gathered_into_one_message(hook):
    with Notifier(Notify(urls=(hook.url,), at_most="1h"), "ladder") as notifier:
        notifier.send([scores(1)])
        assert hook.taken.get(timeout=PATIENCE)["title"] == "predictor, ladder: 1 new scores"
        for count in (2, 3, 4):
            notifier.send([scores(count)])
        with pytest.raises(queue.Empty):
            hook.taken.get(timeout=0.3)
    # The end of the process sends what waits, as one message.
    post = hook.taken.get(timeout=PATIENCE)
    assert post["title"] == "predictor, ladder: 2 new scores and 2 more"
    assert all(f"{count} new scores" in post["message"] for count in (2, 3, 4))


def test_the_rate_lets_a_second_message_through_in_time(hook):
    with Notifier(Notify(urls=(hook.url,), at_most="0.3s"), "ladder") as notifier:
        for count in (1, 2):
            notifier.send([scores(count)])
            assert f"{count} new scores" in hook.taken.get(timeout=PATIENCE)["title"]


def test_unwanted_kinds_and_states_that_last_are_not_repeated(hook):
    broken = News("quarantine", "160m step 5 cannot be scored", ("a file is damaged",))
    with Notifier(Notify(urls=(hook.url,), events=("quarantine",), at_most="0.01s"), "ladder") as notifier:
        notifier.send([broken, scores(1)])
        assert hook.taken.get(timeout=PATIENCE)["title"].endswith("cannot be scored")
        notifier.send([broken])
    assert hook.taken.empty()


def test_an_endpoint_that_never_answers_delays_neither_others_nor_the_end(hook):
    with socket.create_server(("127.0.0.1", 0)) as dead:
        # It takes connections and says nothing.
        silent = f"json://127.0.0.1:{dead.getsockname()[1]}/hook?cto=60&rto=60"
        notifier = Notifier(Notify(urls=(silent, hook.url)), "ladder")
        notifier.send([scores(1)])
        connection, _ = dead.accept()
        with connection:
            assert hook.taken.get(timeout=PATIENCE)["title"] == "predictor, ladder: 1 new scores"
            notifier.close(bound=0.2)
            # The request to the dead one is still open: nobody waited for it.
            assert [channel.is_alive() for channel in notifier._channels] == [True, False]


def test_a_refused_message_is_reported_once_and_tried_again(hook):
    hook.answers = 500
    told = []
    with Notifier(Notify(urls=(hook.url,), at_most="0.2s"), "ladder", told.append) as notifier:
        notifier.send([scores(1)])
        hook.taken.get(timeout=PATIENCE)
        hook.answers = 200
        assert hook.taken.get(timeout=PATIENCE)["title"] == "predictor, ladder: 1 new scores"
    assert told == ["a message to json address 1 was not delivered: the service did not take it"]


@pytest.mark.parametrize(
    ("url", "said"),
    [("json://${NOT_SET_HERE}/x", "names the variable NOT_SET_HERE"), ("nowhere", "nowhere address 1 is no address")],
)
def test_addresses_that_lead_nowhere_are_refused_at_once(url, said):
    with pytest.raises(ConfigError, match=said):
        Notifier(Notify(urls=(url,)), "ladder")


def test_what_a_look_did_is_told_by_run_and_reason():
    keys = [PairKey(f"id{number}", "160m", 1000, f"task{number}") for number in range(3)]
    outcome = Outcome(
        scored=tuple(keys[:2]),
        failed=((keys[2], "out of memory"),),
        given_up=((keys[2], "failed 3 times"),),
        broken=(("70m", 7, "a file is damaged"),),
    )
    told = list(news_of_outcome(outcome))
    assert [news.kind for news in told] == ["scores", "failure", "quarantine", "quarantine"]
    assert told[0].lines == ("160m step 1000: 2 tasks",)
    assert told[1].lines == ("1: out of memory",)
    assert told[3].title == "70m step 7 cannot be scored"


def test_a_disk_with_less_than_the_share_free_is_told_of(tmp_path):
    assert news_of_disk(tmp_path, 0.0) is None
    news = news_of_disk(tmp_path, 1.0)
    assert news is not None
    assert str(tmp_path) in news.lines[0]


def test_a_coordinator_that_is_not_heard_of_is_told_of_once_and_its_return_too(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.coordinators.beat("us", "node1", 42, "scoring: 3 done")
        patient, watch = SilenceWatch(path, 60.0), SilenceWatch(path, 1e-9)
        assert list(patient.look()) == []
        (silent,) = watch.look()
        assert silent.title == "coordinator silent: process 42 on node1"
        assert "scoring: 3 done" in silent.lines[0]
        assert list(watch.look()) == []
        watch._silent_after = 60.0
        (back,) = watch.look()
        assert "heard of again" in back.title
        ledger.coordinators.leave("us")
        watch._silent_after = 1e-9
        # One that ended in order is no news.
        assert list(watch.look()) == []


def test_signs_of_life_are_sent_until_stopped(hook):
    beat = Heartbeat(hook.url.replace("json", "http"), every=0.05)
    beat.start()
    assert [hook.taken.get(timeout=PATIENCE) for _ in range(2)] == ["/hook", "/hook"]
    beat.stop()
    beat.join(PATIENCE)
    assert not beat.is_alive()


def config(folder: Path, notify: str) -> str:
    text = "suite: tiny\nfamilies: {f: {checkpoints: '{run}/step_{step}', tokens_per_step: 1k}}\n"
    (folder / "checkpoints.yaml").write_text(f"{text}runs: {{a: {{family: f}}}}\n{notify}")
    return str(folder / "checkpoints.yaml")


def test_the_command_tries_every_address_and_says_which_failed(tmp_path, hook, mail_server):
    address, mail = mail_server
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"json://127.0.0.1:{server.getsockname()[1]}/x"
    path = config(tmp_path, f"notify: {{urls: ['{address}', '{hook.url}', '{closed}']}}\n")
    done = CliRunner().invoke(command, ["--config", path, "--test"], standalone_mode=False)
    assert done.output.splitlines() == [
        "mailto address 1: delivered",
        "json address 2: delivered",
        "json address 3: not delivered: the service did not take it",
    ]
    assert done.return_value == 1
    assert "a test" in mail.get(timeout=PATIENCE)
    assert hook.taken.get(timeout=PATIENCE)["title"] == f"predictor, {tmp_path.name}: a test"


def test_the_command_looks_once_for_silent_coordinators(tmp_path, hook):
    path = config(tmp_path, f"notify: {{urls: ['{hook.url}'], silent_after: 0.001s}}\n")
    (tmp_path / "store").mkdir()
    with Ledger(tmp_path / "store" / "ledger.sqlite") as ledger:
        ledger.coordinators.beat("us", "node1", 42, "scoring")
    done = CliRunner().invoke(command, ["--config", path, "--once"], standalone_mode=False)
    assert done.return_value == 0, done.exception
    assert "coordinator silent: process 42 on node1" in hook.taken.get(timeout=PATIENCE)["title"]


def test_a_configuration_that_names_nobody_is_refused(tmp_path):
    done = CliRunner().invoke(command, ["--config", config(tmp_path, ""), "--test"], standalone_mode=False)
    assert isinstance(done.exception, ConfigError)
    assert "names nobody to tell" in str(done.exception)
